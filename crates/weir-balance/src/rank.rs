//! Who is preferred to whom: first by priority, then by zone.

/// How much a server is preferred to others: those with the least rank come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rank {
    level: u8,
    zone: u8,
}

impl Rank {
    /// Takes requests only while no other server is up.
    pub const BACKUP: Self = Self { level: Self::PRIORITY_MAX + 1, zone: 0 };

    /// All servers, whether they are up or not.
    pub(crate) const ALL: Self = Self { level: u8::MAX, zone: 0 };

    /// The greatest priority that can be written.
    pub const PRIORITY_MAX: u8 = 100;

    /// Zones of one pool.
    pub const ZONES_MAX: usize = 16;

    /// Of a written priority; 0 comes first.
    pub fn new(priority: u8) -> Self {
        assert!(priority <= Self::PRIORITY_MAX, "a priority of {priority}");
        Self { level: priority, zone: 0 }
    }

    /// In the zone at this place; 0 is the own one.
    pub fn in_zone(self, place: usize) -> Self {
        assert!(place < Self::ZONES_MAX, "a zone at {place}");
        Self { zone: place as u8, ..self }
    }

    /// The same for a node in the zone at this place: that one is its own.
    pub fn seen_from(self, place: usize) -> Self {
        match self.zone() {
            0 => self.in_zone(place),
            zone if zone == place => self.in_zone(0),
            _ => self,
        }
    }

    /// Those of one level are of one priority, whatever their zones.
    pub(crate) fn level(self) -> u8 {
        self.level
    }

    pub(crate) fn zone(self) -> usize {
        self.zone.into()
    }

    /// Whether it only waits for the others to be gone.
    pub fn is_backup(self) -> bool {
        self.level == Self::BACKUP.level
    }

    /// Whether it takes a part of what others cannot bear, and hands on what it cannot, where that is asked for.
    pub(crate) fn spills(self) -> bool {
        self.level <= Self::PRIORITY_MAX
    }
}
