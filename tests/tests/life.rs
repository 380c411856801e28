//! The life of the process: how it starts, changes, tells of itself, and ends.

mod life {
    mod access_log;
    mod commands;
    mod metrics;
    mod reload;
    mod service;
    mod stop;
}
