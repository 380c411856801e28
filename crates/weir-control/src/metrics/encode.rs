//! Metrics as OpenMetrics 1.0 text (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>).
//!
//! A family is begun, given its samples, and ends where the next begins: the borrow of [`Exposition`] makes it
//! impossible to mix the lines of two families, which the format forbids.

#[cfg(test)]
pub(crate) mod strict;
#[cfg(test)]
mod tests;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Name and value of one label.
pub type Label<'a> = (&'a str, &'a str);

/// A text that is being put together.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    families: Vec<String>,
}

impl Exposition {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A family of counters. `name` is without `_total`; one that ends in `_bytes` or `_seconds` declares that
    /// unit.
    pub fn counter(&mut self, name: &str, help: &str) -> Counter<'_> {
        self.family(name, "counter", help);
        Counter(Family { text: &mut self.text, name: name.to_owned() })
    }

    /// A family of gauges: values that go up and down.
    pub fn gauge(&mut self, name: &str, help: &str) -> Gauge<'_> {
        self.family(name, "gauge", help);
        Gauge(Family { text: &mut self.text, name: name.to_owned() })
    }

    /// A family of histograms.
    pub fn histogram(&mut self, name: &str, help: &str) -> Histogram<'_> {
        self.family(name, "histogram", help);
        Histogram(Family { text: &mut self.text, name: name.to_owned() })
    }

    /// A fact in words, such as a version. `name` is without `_info`.
    pub fn info(&mut self, name: &str, help: &str, labels: &[Label<'_>]) {
        self.family(name, "info", help);
        Family { text: &mut self.text, name: name.to_owned() }.sample("_info", labels, None, "1");
    }

    /// The whole text, with its end mark.
    pub fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        assert!(is_name(name, true), "{name:?} is no name of a metric");
        assert!(!self.families.iter().any(|family| family == name), "family {name} is there twice");
        self.families.push(name.to_owned());
        self.text.extend(["# TYPE ", name, " ", kind, "\n"]);
        if let Some(unit) = ["seconds", "bytes"].into_iter().find(|unit| has_unit(name, unit)) {
            self.text.extend(["# UNIT ", name, " ", unit, "\n"]);
        }
        self.text.extend(["# HELP ", name, " "]);
        push_escaped(&mut self.text, help);
        self.text.push('\n');
    }
}

/// Counters of one family.
#[derive(Debug)]
pub struct Counter<'a>(Family<'a>);

impl Counter<'_> {
    /// One counter; its labels must differ from all others of the family.
    pub fn sample(&mut self, labels: &[Label<'_>], value: u64) -> &mut Self {
        self.0.sample("_total", labels, None, &value.to_string());
        self
    }

    /// One counter that is not whole, such as seconds.
    pub fn sample_f64(&mut self, labels: &[Label<'_>], value: f64) -> &mut Self {
        assert!(value >= 0.0, "a counter is never negative");
        self.0.sample("_total", labels, None, &number(value));
        self
    }
}

/// Gauges of one family.
#[derive(Debug)]
pub struct Gauge<'a>(Family<'a>);

impl Gauge<'_> {
    /// One gauge; its labels must differ from all others of the family.
    pub fn sample(&mut self, labels: &[Label<'_>], value: u64) -> &mut Self {
        self.0.sample("", labels, None, &value.to_string());
        self
    }

    /// One gauge that is not whole.
    pub fn sample_f64(&mut self, labels: &[Label<'_>], value: f64) -> &mut Self {
        self.0.sample("", labels, None, &number(value));
        self
    }
}

/// Histograms of one family.
#[derive(Debug)]
pub struct Histogram<'a>(Family<'a>);

impl Histogram<'_> {
    /// One histogram; its labels must differ from all others of the family. `bounds` are the upper bounds of
    /// the buckets, rising and without infinity. `counts` has one entry for each bucket on its own (they are
    /// summed up here) and one more for what lies above them all. `sum` is that of all observations.
    pub fn sample(
        &mut self,
        labels: &[Label<'_>],
        bounds: &[f64],
        counts: impl IntoIterator<Item = u64>,
        sum: f64,
    ) -> &mut Self {
        assert!(bounds.is_sorted_by(|low, high| low < high), "the bounds of buckets rise");
        let mut bounds = bounds.iter().map(|bound| number(*bound)).chain(["+Inf".to_owned()]);
        let mut count = 0;
        for in_bucket in counts {
            count += in_bucket;
            let bound = bounds.next().expect("one count for each bucket, and one above");
            self.0.sample("_bucket", labels, Some(("le", &bound)), &count.to_string());
        }
        assert!(bounds.next().is_none(), "one count for each bucket, and one above");
        self.0.sample("_sum", labels, None, &number(sum));
        self.0.sample("_count", labels, None, &count.to_string());
        self
    }
}

#[derive(Debug)]
struct Family<'a> {
    text: &'a mut String,
    name: String,
}

impl Family<'_> {
    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], last: Option<Label<'_>>, value: &str) {
        self.text.extend([self.name.as_str(), suffix]);
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(last) {
            debug_assert!(is_name(name, false), "{name:?} is no name of a label");
            self.text.push(separator);
            self.text.extend([name, "=\""]);
            push_escaped(self.text, value);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.extend([" ", value, "\n"]);
    }
}

fn has_unit(name: &str, unit: &str) -> bool {
    name.strip_suffix(unit).is_some_and(|front| front.ends_with('_'))
}

fn is_name(name: &str, colon: bool) -> bool {
    let mut bytes = name.bytes();
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (colon && byte == b':');
    bytes.next().is_some_and(starts) && bytes.all(|byte| starts(byte) || byte.is_ascii_digit())
}

/// As the format wants it: whole numbers with `.0`, so that a bound is always spelled the same.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value:?}")
    }
}

/// The escapes of label values and help texts.
fn push_escaped(text: &mut String, value: &str) {
    for char in value.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            char => text.push(char),
        }
    }
}
