//! The plain byte relay: what moving the bytes costs in tokio when nothing is parsed, balanced or counted. The
//! bench takes it as the floor.
//!
//! `relay LISTEN SERVER...`: one thread, one server connection for each client connection, servers in turn,
//! 32 KiB of buffer per direction (measured: 8 KiB and 16 KiB cost more calls, 64 KiB falls out of the cache).

#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

const BUFFER_BYTES: usize = 32 * 1024;

fn main() -> ExitCode {
    let addresses: Result<Vec<SocketAddr>, _> = std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let (listen, servers) = match addresses.as_deref() {
        Ok([listen, servers @ ..]) if !servers.is_empty() => (*listen, servers.to_vec()),
        _ => {
            eprintln!("usage: relay LISTEN SERVER...   (addresses with ports)");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build_local(Default::default());
    match runtime.and_then(|runtime| runtime.block_on(serve(listen, &servers))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: SocketAddr, servers: &[SocketAddr]) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    for server in servers.iter().copied().cycle() {
        let (client, _) = listener.accept().await?;
        // A connection that fails is its client's to notice; the bench counts it as an error there.
        spawn_local(async move { session(client, server).await.ok() });
    }
    Ok(())
}

async fn session(client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // A task for each direction: one task for both would ask both sockets on each wake-up.
    spawn_local(async move { pump(from_server, to_client).await.ok() });
    pump(from_client, to_server).await
}

/// Moves bytes until the end of the stream; dropping `to` then passes the end on.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
