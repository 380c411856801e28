//! The things of the file that others refer to by name, and which of them somebody uses.

use std::collections::HashMap;

use crate::{
    filled::{Entry, Filled},
    nearest::nearest,
    report::{Findings, shown},
    tree::Span,
};

/// The pools, or the certificates.
pub(super) struct Named {
    /// What one of them is called.
    noun: &'static str,
    /// The section that they are in.
    section: &'static str,
    known: HashMap<String, Known>,
    /// The section could be read at all: otherwise every reference would be reported.
    readable: bool,
}

struct Known {
    index: usize,
    span: Span,
    used: bool,
}

impl Named {
    pub(super) fn new(root: &Filled, section: &'static str, noun: &'static str) -> Named {
        let known = |(index, entry): (usize, &Entry)| {
            (entry.name.clone(), Known { index, span: entry.span, used: false })
        };
        Named {
            noun,
            section,
            known: root.map(section).iter().enumerate().map(known).collect(),
            readable: root.section().is_some_and(|top| {
                let all = top.get(section);
                all.is_some_and(|all| !all.is_bad() && (all.written || !top.doubtful))
            }),
        }
    }

    /// The index of the one that this value names.
    pub(super) fn find(&mut self, node: &Filled, findings: &mut Findings) -> Option<usize> {
        let name = node.as_text()?.to_owned();
        self.named(&name, node.span, findings)
    }

    pub(super) fn named(&mut self, name: &str, span: Span, findings: &mut Findings) -> Option<usize> {
        if let Some(known) = self.known.get_mut(name) {
            known.used = true;
            return Some(known.index);
        }
        if self.readable {
            // In the written order, so that of two equally near names it is always the same one.
            let mut names: Vec<(usize, &str)> = Vec::new();
            if !findings.is_full() {
                names.extend(self.known.iter().map(|(name, known)| (known.index, name.as_str())));
                names.sort_unstable();
            }
            let mut message = format!("there is no {} `{}`", self.noun, shown(name));
            if let Some(near) = nearest(name, names.into_iter().map(|(_, name)| name)) {
                message.push_str(&format!(", did you mean `{near}`?"));
            }
            let found = findings.error(span, message);
            if self.known.is_empty() {
                found.help(format!("the file has no `{}`", self.section));
            }
        }
        None
    }

    /// `user` is who could use one: `no route uses the pool …`.
    pub(super) fn warn_unused(&self, user: &str, findings: &mut Findings) {
        for (name, known) in &self.known {
            if !known.used {
                findings.warning(known.span, format!("no {user} uses the {} `{}`", self.noun, shown(name)));
            }
        }
    }
}
