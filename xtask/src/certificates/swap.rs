//! Files that are replaced while clients shake hands, and what the clients get to see.
//!
//! One file is written every 200 ms, for a second at a time, and then rests until it is served: Weir takes what is the
//! same at two looks, so a file that never rests is never taken. In each of these bursts it is written half once, in place. Another
//! file stays half written for half of the time. And each 200 ms one more file is replaced, once. What may be served
//! is written down before it is written to the disk, with the place in its row: nobody may see a version that was
//! never whole, or an earlier one than before.

use std::{
    fs,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use weir_tests::{pki::Identity, wait};

use super::stage::{Stage, Started};

/// How often files are replaced.
const TICK: Duration = Duration::from_millis(200);
/// How many times one file is written before it may rest.
const BURST: usize = 5;
/// The time of a burst at which the file is only half there.
const HALF_AT: usize = 2;
/// Failures that are told with their reason.
const EXAMPLES_MAX: usize = 10;

/// What came of it.
#[derive(Default)]
pub(super) struct Swapped {
    pub(super) handshakes: usize,
    pub(super) failed: usize,
    /// The certificate was not one that could be served.
    pub(super) wrong: usize,
    pub(super) slowest: Duration,
    /// Some of what failed and was wrong.
    pub(super) examples: Vec<String>,
    /// Files written, and those that were cut off in the middle.
    pub(super) whole: usize,
    pub(super) half: usize,
    /// How long each file that was left to rest took until a client saw its certificate.
    pub(super) delays: Vec<Duration>,
    /// Files at rest whose certificate no client saw.
    pub(super) unseen: usize,
}

/// A file that is replaced.
struct Site {
    number: usize,
    /// All that were whole, in their order.
    versions: Mutex<Vec<Version>>,
}

struct Version {
    der: Vec<u8>,
    written: Instant,
    /// It stays until it is seen.
    rests: bool,
    seen: Option<Duration>,
}

/// What clients and the one who writes have in common.
struct Scene<'a> {
    stage: &'a Stage,
    started: &'a Started,
    /// The busy one, the torn one, and those that are replaced once.
    sites: Vec<Site>,
    /// So many of `sites` have been replaced.
    reached: AtomicUsize,
    stop: AtomicBool,
}

const BUSY: usize = 0;
const TORN: usize = 1;

/// Replaces files for so long, and then waits until all are served.
pub(super) fn run(
    stage: &Stage,
    started: &Started,
    threads: usize,
    time: Duration,
) -> Result<Swapped, String> {
    let ticks = (time.as_millis() / TICK.as_millis()) as usize;
    let mut sites = Vec::new();
    for turn in 0..ticks + 2 {
        let number = (1 + turn) * stage.count() / (ticks + 4);
        // What is served now is asked for, so the next one must be taken over and cannot just be read.
        let der = stage.ask(started, number)?;
        let first = Version { der, written: Instant::now(), rests: false, seen: None };
        sites.push(Site { number, versions: Mutex::new(vec![first]) });
    }
    let scene =
        Scene { stage, started, sites, reached: AtomicUsize::new(TORN + 1), stop: AtomicBool::new(false) };
    let mut result = thread::scope(|scope| {
        let scene = &scene;
        let clients: Vec<_> = (0..threads).map(|seed| scope.spawn(move || scene.shake(seed))).collect();
        let written = scene.write(ticks);
        // Whatever came of the writing, or else the clients go on forever.
        scene.stop.store(true, Relaxed);
        let mut sum = Swapped::default();
        for client in clients {
            sum.add(client.join().expect("it does not panic"));
        }
        (sum.whole, sum.half) = written.map_err(|error| format!("cannot replace a certificate: {error}"))?;
        Ok::<_, String>(sum)
    })?;
    for site in &scene.sites {
        for version in site.versions().iter().filter(|version| version.rests) {
            match version.seen {
                Some(delay) => result.delays.push(delay),
                None => result.unseen += 1,
            }
        }
    }
    Ok(result)
}

impl Scene<'_> {
    /// Writes files, and waits until the last are seen. How many it wrote whole, and half.
    fn write(&self, ticks: usize) -> std::io::Result<(usize, usize)> {
        let (mut whole, mut half) = (0, 0);
        let torn = self.stage.identity(self.sites[TORN].number);
        self.tear(TORN, &torn)?;
        half += 1;
        let began = Instant::now();
        let mut step = 0;
        for tick in 0..ticks {
            self.replace(self.reached.load(Relaxed), true)?;
            self.reached.fetch_add(1, Relaxed);
            whole += 1;
            if tick == ticks / 2 {
                self.complete(TORN, &torn)?;
                whole += 1;
            }
            let busy = &self.sites[BUSY];
            if step < BURST {
                if step == HALF_AT {
                    self.tear(BUSY, &self.stage.identity(busy.number))?;
                    half += 1;
                } else {
                    self.replace(BUSY, step + 1 == BURST)?;
                    whole += 1;
                }
                step += 1;
            } else if busy.is_seen() {
                step = 0;
            }
            // No waiting for a state, but the pace of the whole.
            thread::sleep((began + TICK * (tick as u32 + 1)).saturating_duration_since(Instant::now()));
        }
        if step < BURST {
            self.replace(BUSY, true)?;
            whole += 1;
        }
        // Whoever was not seen in time is in the report.
        wait::in_time(|| self.sites.iter().all(Site::is_seen).then_some(()));
        Ok((whole, half))
    }

    /// A new certificate takes the place of the file at once.
    fn replace(&self, site: usize, rests: bool) -> std::io::Result<()> {
        let site = &self.sites[site];
        let identity = self.stage.identity(site.number);
        let file = self.stage.file(site.number);
        let new = file.with_extension("new");
        fs::write(&new, self.stage.text(&identity))?;
        site.offer(&identity, rests);
        fs::rename(new, file)
    }

    /// The first half of a new certificate, in place: all of the leaf, but not the whole chain, and no key.
    fn tear(&self, site: usize, identity: &Identity) -> std::io::Result<()> {
        let text = self.stage.text(identity);
        fs::write(self.stage.file(self.sites[site].number), &text[..text.len() / 2])
    }

    /// What was torn, whole.
    fn complete(&self, site: usize, identity: &Identity) -> std::io::Result<()> {
        let site = &self.sites[site];
        site.offer(identity, true);
        fs::write(self.stage.file(site.number), self.stage.text(identity))
    }

    /// A client: shakes hands until it is told to stop. In turns for the busy file, for the torn one, for those that
    /// were replaced and not seen yet, and for any other.
    fn shake(&self, seed: usize) -> Swapped {
        let mut result = Swapped::default();
        let mut last_seen = vec![0; self.sites.len()];
        let mut turn = seed;
        while !self.stop.load(Relaxed) {
            turn += 1;
            let site = match turn % 4 {
                0 => Some(BUSY),
                1 => Some(TORN),
                2 => self.waiting(turn),
                _ => None,
            };
            // A prime, so that the names come in no order of the directory.
            let number = site.map_or(turn * 7919 % self.stage.count(), |site| self.sites[site].number);
            let began = Instant::now();
            let shown = self.stage.ask(self.started, number);
            result.handshakes += 1;
            result.slowest = result.slowest.max(began.elapsed());
            match (shown, site) {
                (Err(error), _) => {
                    result.failed += 1;
                    result.example(error);
                }
                (Ok(der), Some(site)) => match self.sites[site].see(&der, last_seen[site]) {
                    Ok(version) => last_seen[site] = version,
                    Err(error) => {
                        result.wrong += 1;
                        result.example(error);
                    }
                },
                (Ok(_), None) => {}
            }
        }
        result
    }

    /// One of those that were replaced and not seen since.
    fn waiting(&self, turn: usize) -> Option<usize> {
        let reached = self.reached.load(Relaxed);
        let waiting: Vec<usize> = (0..reached).filter(|site| !self.sites[*site].is_seen()).collect();
        waiting.get(turn / 4 % waiting.len().max(1)).copied()
    }
}

impl Site {
    /// From now on it may be served.
    fn offer(&self, identity: &Identity, rests: bool) {
        let version = Version { der: identity.der.clone(), written: Instant::now(), rests, seen: None };
        self.versions().push(version);
    }

    /// Which version this is, if it may be served now.
    fn see(&self, der: &[u8], at_least: usize) -> Result<usize, String> {
        let mut versions = self.versions();
        let name = Stage::name(self.number);
        let found = versions.iter_mut().enumerate().find(|(_, version)| version.der == der);
        let (place, version) =
            found.ok_or_else(|| format!("{name}: a certificate that was never in a whole file"))?;
        if place < at_least {
            return Err(format!("{name}: version {place} after {at_least}"));
        }
        version.seen.get_or_insert(version.written.elapsed());
        Ok(place)
    }

    /// All that was left to rest has been served.
    fn is_seen(&self) -> bool {
        self.versions().iter().all(|version| !version.rests || version.seen.is_some())
    }

    fn versions(&self) -> MutexGuard<'_, Vec<Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Swapped {
    fn example(&mut self, what: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what);
        }
    }

    fn add(&mut self, other: Swapped) {
        self.handshakes += other.handshakes;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.slowest = self.slowest.max(other.slowest);
        other.examples.into_iter().for_each(|what| self.example(what));
    }
}
