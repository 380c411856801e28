//! The control plane: loads files, builds snapshots, runs workers and checks, answers metrics.

#![forbid(unsafe_code)]

pub mod log;
pub mod metrics {
    //! What Weir tells about itself, as OpenMetrics text.

    pub mod encode;
    pub mod endpoint;
}
