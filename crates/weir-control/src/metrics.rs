//! What Weir tells about itself, as OpenMetrics text.

pub mod encode;
pub mod endpoint;
pub(crate) mod families;
