//! How long requests take, and when they come.

use weir_balance::Rng;

/// The distribution of the work of a request. Its mean is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Service {
    /// All alike.
    Constant,
    /// Many short ones and few long ones, as theory likes them: memoryless.
    Exponential,
    /// One in a hundred takes a hundred times as long as the others, which are exponential.
    Mixed,
    /// A heavy tail: Pareto with this shape, above 1; 1.5 has no variance.
    Pareto(f64),
}

impl Service {
    /// One request's work.
    pub(crate) fn draw(self, rng: &mut Rng) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential => exponential(rng),
            // 0.99 × 1 + 0.01 × 100 is the mean of both.
            Self::Mixed => exponential(rng) * if rng.below(100) == 0 { 100.0 } else { 1.0 } / 1.99,
            Self::Pareto(shape) => (shape - 1.0) / shape * uniform(rng).powf(-1.0 / shape),
        }
    }
}

/// With mean 1.
pub(crate) fn exponential(rng: &mut Rng) -> f64 {
    -uniform(rng).ln()
}

/// Between 0 and 1, and neither.
pub(crate) fn uniform(rng: &mut Rng) -> f64 {
    ((rng.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_one() {
        for (service, tolerance) in [
            (Service::Constant, 0.0),
            (Service::Exponential, 0.005),
            (Service::Mixed, 0.05),
            (Service::Pareto(2.5), 0.02),
        ] {
            let mut rng = Rng::new(1);
            let draws = 1_000_000;
            let mean = (0..draws).map(|_| service.draw(&mut rng)).sum::<f64>() / f64::from(draws);
            assert!((mean - 1.0).abs() <= tolerance, "{service:?}: {mean}");
        }
    }
}
