//! The nearest known word to a mistyped one.

/// The word of `known` that `written` was most probably meant to be; `None` if none is near enough.
///
/// Near is: equal but for case, hyphens and underscores; or at most a third of the letters wrong (optimal string
/// alignment distance: a swap of neighbours counts as one).
pub(crate) fn nearest<'a, I>(written: &str, known: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str, IntoIter: Clone>,
{
    let known = known.into_iter();
    // A longer one is no slip of the finger, and the distance costs the product of the lengths.
    const LENGTH_MAX: usize = 64;
    let letters: Vec<char> = folded(written).take(LENGTH_MAX + 1).collect();
    if letters.is_empty() || letters.len() > LENGTH_MAX {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for word in known.clone() {
        let other: Vec<char> = folded(word).take(LENGTH_MAX).collect();
        let allowed = (letters.len().max(other.len()) / 3).max(1);
        if letters.len().abs_diff(other.len()) > allowed {
            continue;
        }
        let distance = distance(&letters, &other);
        // Two words of one or two letters have nothing in common after one change.
        let enough = distance <= allowed && distance < letters.len().min(other.len());
        if enough && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, word));
        }
    }
    best.map(|(_, word)| word).or_else(|| extended(written, known))
}

/// One word is the other with an ending: `warning` and `warn`, `interval_ms` and `interval`.
fn extended<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const COMMON_MIN: usize = 4;
    let mut similar = known.filter(|word| {
        let common = word.len().min(written.len());
        common >= COMMON_MIN && (word.starts_with(written) || written.starts_with(word))
    });
    let word = similar.next()?;
    // If there are several, none is the one that was meant.
    if similar.next().is_none() { Some(word) } else { None }
}

fn folded(word: &str) -> impl Iterator<Item = char> + '_ {
    word.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase())
}

/// Optimal string alignment, three rows at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row: Vec<usize> = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row[j] = least;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn check(written: &str, expected: Option<&str>) {
        let known = ["interval", "timeout", "fall", "rise", "round_robin", "p2c", "http"];
        assert_eq!(nearest(written, known), expected, "{written}");
    }

    #[test]
    fn slips_find_their_word() {
        check("intervall", Some("interval"));
        check("timout", Some("timeout"));
        check("timeuot", Some("timeout"));
        check("Round-Robin", Some("round_robin"));
        check("roundrobin", Some("round_robin"));
        check("fal", Some("fall"));
        check("htpt", Some("http"));
        check("interval_ms", Some("interval"));
        check("time", Some("timeout"));
    }

    #[test]
    fn other_words_find_none() {
        check("banana", None);
        check("x", None);
        check("", None);
        check(&"interval".repeat(1000), None);
    }
}
