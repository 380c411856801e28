//! The TCP check that says something: bytes that are sent, and what must come back.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use weir_config::TcpExchange;

use super::{Stage, sought::Search};
use crate::said::said;

/// More than this is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// An expression is tried after each piece that comes; so many are more than any answer needs.
const PIECES_MAX: usize = 1024;

/// Sends, and reads until what is expected has come. The error is the reason, for a person.
pub(super) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    exchange: &TcpExchange,
    stage: &mut Stage,
) -> Result<(), String> {
    *stage = Stage::Answer;
    let cut = |_| "connection closed before the answer".to_owned();
    stream.write_all(exchange.send.as_bytes()).await.map_err(cut)?;
    stream.flush().await.map_err(cut)?;
    let mut search = Search::new(&exchange.expect);
    let mut seen = Vec::new();
    for _ in 0..PIECES_MAX {
        let room = ANSWER_BYTES_MAX - seen.len();
        if room == 0 {
            break;
        }
        let read = (&mut stream).take(room as u64).read_buf(&mut seen).await.map_err(cut)?;
        if search.finds_in(&seen) {
            return Ok(());
        }
        *stage = Stage::Expected;
        if read == 0 {
            return Err(match seen.is_empty() {
                true => "connection closed before the answer".to_owned(),
                false => format!("answered {:?}, which does not {}", said(&seen), search.what()),
            });
        }
    }
    Err(format!("the first 64 KiB of the answer do not {}", search.what()))
}
