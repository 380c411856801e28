//! OpenMetrics text, read for its numbers.

/// One scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// As it came.
    pub text: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Panics where the text is not what OpenMetrics allows.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "the text is not whole:\n{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
        Self { text: text.to_owned(), samples }
    }

    /// The sum of all samples of this name that have these labels.
    #[track_caller]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            labels.iter().all(|(name, value)| sample.labels.iter().any(|(n, v)| n == name && v == value))
        };
        let values: Vec<f64> =
            self.samples.iter().filter(|sample| sample.name == name).filter(has).map(|s| s.value).collect();
        assert!(!values.is_empty(), "no {name} with {labels:?} in\n{}", self.text);
        values.iter().sum()
    }

    /// How often a limit was reached.
    #[track_caller]
    pub fn limit(&self, name: &str) -> f64 {
        self.sum("weir_limits_reached_total", &[("limit", name)])
    }
}

fn sample(line: &str) -> Sample {
    read_sample(line).unwrap_or_else(|| panic!("not a sample: {line}"))
}

fn read_sample(line: &str) -> Option<Sample> {
    let (front, value) = line.rsplit_once(' ')?;
    let (name, labels) = match front.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (front, ""),
    };
    let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect::<Option<_>>()?, value: value.parse().ok()? })
}
