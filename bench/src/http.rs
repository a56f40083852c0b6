//! A client as cheap as one can be: HTTP/1.1 over one kept socket, the request written in one piece, bodies by length or
//! in chunks. It talks to our own server only, whose answers it knows.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Enough for the head of an answer; small, because ten thousand connections have one each.
const BUFFER: usize = 2048;
/// Nothing that is measured answers with more.
const LARGEST: usize = 64 << 20;

/// Where requests go and what they sign with.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) key: Arc<str>,
}

/// What kind of answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    Json,
    Events,
}

/// What of an answer's body is still on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Bytes(usize),
    Chunks,
}

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    target: Target,
    rest: Rest,
    line: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// # Errors
    /// Nobody listens there, or this process may not open more sockets.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(target.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let stream = BufReader::with_capacity(BUFFER, stream);
        Ok(Connection { stream, target: target.clone(), rest: Rest::Nothing, line: Vec::new(), body: Vec::new() })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The connection breaks, or the answer is no success; the text then has its body.
    pub(crate) async fn call(&mut self, request: &Request) -> anyhow::Result<&[u8]> {
        let status = self.send(request).await?;
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(piece);
        }
        if status != 200 {
            bail!("{} answered {status}: {}", request.path, String::from_utf8_lossy(&whole));
        }
        self.body = whole;
        Ok(&self.body)
    }

    /// Sends a request and reads the answer's head; [`Connection::piece`] gives the body.
    ///
    /// # Errors
    /// The connection breaks, or the answer is not HTTP.
    pub(crate) async fn send(&mut self, request: &Request) -> anyhow::Result<u16> {
        let text = request.text(&self.target);
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.with_context(|| format!("`{first}` is no answer"))?;
        self.rest = Rest::Nothing;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(status);
            }
            if let Some(rest) = body_by(line) {
                self.rest = rest;
            }
        }
    }

    /// More of the body; none when it is over.
    ///
    /// # Errors
    /// The connection breaks in the middle.
    pub(crate) async fn piece(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let size = match self.rest {
            Rest::Nothing => return Ok(None),
            Rest::Bytes(size) => size,
            Rest::Chunks => {
                let line = self.line().await?;
                usize::from_str_radix(line, 16).with_context(|| format!("`{line}` is no size of a chunk"))?
            }
        };
        if size > LARGEST {
            bail!("an answer of {size} bytes was not expected");
        }
        self.body.resize(size, 0);
        self.stream.read_exact(&mut self.body).await?;
        if self.rest == Rest::Chunks {
            // Every chunk ends with an empty line, the last one too.
            self.line().await?;
        }
        if self.rest != Rest::Chunks || size == 0 {
            self.rest = Rest::Nothing;
        }
        Ok(if size == 0 { None } else { Some(&self.body) })
    }

    async fn line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        if self.stream.read_until(b'\n', &mut self.line).await? == 0 {
            bail!("the connection was closed");
        }
        Ok(std::str::from_utf8(&self.line)?.trim_end())
    }
}

/// What a header says about the body.
fn body_by(line: &str) -> Option<Rest> {
    let (name, value) = line.split_once(':')?;
    if name.eq_ignore_ascii_case("content-length") {
        return value.trim().parse().ok().filter(|it| *it > 0).map(Rest::Bytes);
    }
    let chunks = name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked");
    chunks.then_some(Rest::Chunks)
}

/// A request; its text is the same every time.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// None asks with GET.
    pub(crate) body: Option<String>,
    pub(crate) accept: Accept,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Request {
        Request { path: path.into(), body: None, accept: Accept::Json }
    }

    pub(crate) fn post(path: impl Into<String>, body: &serde_json::Value) -> Request {
        Request { path: path.into(), body: Some(body.to_string()), accept: Accept::Json }
    }

    pub(crate) fn events(mut self) -> Request {
        self.accept = Accept::Events;
        self
    }

    fn text(&self, target: &Target) -> String {
        let Request { path, body, accept } = self;
        let accept = match accept {
            Accept::Json => "application/json",
            Accept::Events => "text/event-stream",
        };
        let Target { address, key } = target;
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\naccept: {accept}\r\n"
        );
        if let Some(body) = body {
            text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        } else {
            text.push_str("\r\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &'static str) -> Connection {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            for _ in 0..2 {
                let length = stream.read(&mut asked).await.unwrap();
                assert!(asked[..length].starts_with(b"GET / HTTP/1.1\r\n"));
                // Byte by byte: no reader may count on whole lines.
                for byte in answer.as_bytes() {
                    stream.write_all(std::slice::from_ref(byte)).await.unwrap();
                }
            }
        });
        Connection::open(&Target { address, key: "k".into() }).await.unwrap()
    }

    #[tokio::test]
    async fn bodies_by_length_and_in_chunks_are_read_to_their_end_and_the_connection_is_kept() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ] {
            let mut connection = answered(answer).await;
            for _ in 0..2 {
                assert_eq!(connection.call(&Request::get("/")).await.unwrap(), b"hello");
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_text() {
        let mut connection = answered("HTTP/1.1 429 Too Many\r\ncontent-length: 4\r\n\r\nwait").await;
        let error = connection.call(&Request::get("/")).await.unwrap_err().to_string();
        assert_eq!(error, "/ answered 429: wait");
    }
}
