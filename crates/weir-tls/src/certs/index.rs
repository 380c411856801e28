//! From names to certificates: sorted text, searched by halves.
//!
//! Immutable. A name costs its letters and twelve bytes; several certificates may have the same one.

/// The names of many certificates.
#[derive(Debug, Default)]
pub(super) struct Index {
    text: String,
    exact: Vec<Row>,
    /// Of `*.example.com`, held as `example.com`.
    wild: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    start: u32,
    length: u16,
    item: u32,
}

impl Index {
    /// Names in lower case, each with the number of its certificate. Of one name, the first one given comes first.
    pub(super) fn new<'a>(names: impl Iterator<Item = (&'a str, usize)>) -> Index {
        let mut index = Index::default();
        for (name, item) in names {
            let (name, wild) = name.strip_prefix("*.").map_or((name, false), |parent| (parent, true));
            let row = (u32::try_from(index.text.len()), u16::try_from(name.len()), u32::try_from(item));
            // Four gigabytes of names are not indexed further.
            let (Ok(start), Ok(length), Ok(item)) = row else { continue };
            index.text.push_str(name);
            let rows = if wild { &mut index.wild } else { &mut index.exact };
            rows.push(Row { start, length, item });
        }
        let text = &index.text;
        for rows in [&mut index.exact, &mut index.wild] {
            rows.sort_by(|a, b| a.name(text).cmp(b.name(text)));
            rows.shrink_to_fit();
        }
        index.text.shrink_to_fit();
        index
    }

    /// The certificates with exactly this name.
    pub(super) fn exact(&self, name: &str) -> impl Iterator<Item = usize> {
        self.rows(&self.exact, name)
    }

    /// The certificates for every name one label below this one.
    pub(super) fn below(&self, parent: &str) -> impl Iterator<Item = usize> {
        self.rows(&self.wild, parent)
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.exact.len() + self.wild.len()
    }

    /// The names of each certificate.
    pub(super) fn by_item(&self, items: usize) -> Vec<Vec<Box<str>>> {
        let mut names = vec![Vec::new(); items];
        for row in &self.exact {
            names[row.item as usize].push(row.name(&self.text).into());
        }
        for row in &self.wild {
            names[row.item as usize].push(format!("*.{}", row.name(&self.text)).into());
        }
        names
    }

    fn rows<'a>(&'a self, rows: &'a [Row], name: &str) -> impl Iterator<Item = usize> + use<'a> {
        let from = rows.partition_point(|row| row.name(&self.text) < name);
        let length = rows[from..].iter().take_while(|row| row.name(&self.text) == name).count();
        rows[from..from + length].iter().map(|row| row.item as usize)
    }
}

impl Row {
    fn name(self, text: &str) -> &str {
        &text[self.start as usize..self.start as usize + usize::from(self.length)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::Index;

    proptest! {
        /// Against the plain reading of the rules: a look at every name.
        #[test]
        fn finds_what_a_look_at_every_name_finds(
            names in vec("(\\*\\.)?[ab]{1,2}(\\.[ab]{1,2}){0,2}", 0..40),
            asked in vec("[ab]{1,2}(\\.[ab]{1,2}){0,3}", 1..10),
        ) {
            let pairs = || names.iter().enumerate().map(|(item, name)| (name.as_str(), item));
            let index = Index::new(pairs());
            prop_assert_eq!(index.len(), names.len());
            for asked in &asked {
                let exact: Vec<usize> = pairs().filter(|(name, _)| name == asked).map(|(_, item)| item).collect();
                prop_assert_eq!(index.exact(asked).collect::<Vec<_>>(), exact);
                if let Some((_, parent)) = asked.split_once('.') {
                    let wild = format!("*.{parent}");
                    let below: Vec<usize> = pairs().filter(|(name, _)| *name == wild).map(|(_, item)| item).collect();
                    prop_assert_eq!(index.below(parent).collect::<Vec<_>>(), below);
                }
            }
        }
    }
}
