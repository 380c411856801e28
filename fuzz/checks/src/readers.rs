//! Other readers of HTTP/1, fed from memory.

mod wire;

pub mod hyper_client;
pub mod hyper_server;
pub mod tokenizer;
