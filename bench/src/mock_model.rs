//! A language model that costs next to nothing: OpenAI's wire over plain sockets, with made-up tokens at the pace that the
//! prompt asks for. The server's tests have a scripted one; this one is for ten thousand streams at once.
//!
//! `mock:50:500:30` anywhere in the prompt means 50 tokens, the first after 500 ms, the others 30 ms apart; the last such
//! words count, since a conversation repeats the earlier ones. Every token is `@SENT:HELD `: when it was written to the
//! socket and how long after the request had arrived, in microseconds. Whoever reads it knows what the way added.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::now_us;

/// Connections that may wait to be accepted: as many as could come at one moment.
const BACKLOG: u32 = 4096;
const BUFFER: usize = 2048;
const LARGEST_REQUEST: usize = 16 << 20;
/// The pace when a prompt names none.
const DEFAULT: Pace = Pace { tokens: 10, first: Duration::ZERO, gap: Duration::ZERO };

/// Stops when it is dropped.
pub(crate) struct MockModel {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl MockModel {
    /// # Errors
    /// The machine has no free port.
    pub(crate) fn start() -> anyhow::Result<MockModel> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(BACKLOG).context("the mock model cannot listen")?;
        let address = listener.local_addr()?;
        Ok(MockModel { address, server: tokio::spawn(accept(listener)) })
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for MockModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) tokens: u32,
    pub(crate) first: Duration,
    pub(crate) gap: Duration,
}

impl Pace {
    pub(crate) fn of_ms(tokens: u32, first: u64, gap: u64) -> Pace {
        Pace { tokens, first: Duration::from_millis(first), gap: Duration::from_millis(gap) }
    }

    /// What a prompt says to get this pace.
    pub(crate) fn words(&self) -> String {
        format!("mock:{}:{}:{}", self.tokens, self.first.as_millis(), self.gap.as_millis())
    }

    /// How long an answer takes.
    pub(crate) fn whole(&self) -> Duration {
        self.first + self.gap * self.tokens.saturating_sub(1)
    }

    fn in_prompt(request: &str) -> Option<Pace> {
        let (_, words) = request.rsplit_once("mock:")?;
        let end = words.find(|it: char| !it.is_ascii_digit() && it != ':').unwrap_or(words.len());
        let mut numbers = words.get(..end)?.split(':').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Pace::of_ms(u32::try_from(next()?).ok()?, next()?, next()?))
    }
}

/// When a token was sent, and how long after its request had arrived; both in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) sent: u64,
    pub(crate) held: u64,
}

impl Stamp {
    /// The first stamp of a text; several tokens may have become one piece on the way.
    pub(crate) fn in_text(text: &str) -> Option<Stamp> {
        let (_, rest) = text.split_once('@')?;
        let (sent, rest) = rest.split_once(':')?;
        let (held, _) = rest.split_once(' ')?;
        Some(Stamp { sent: sent.parse().ok()?, held: held.parse().ok()? })
    }
}

async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A connection that breaks is a run that ends; its own error tells of it.
                tokio::spawn(async move { serve(stream).await.ok() });
            }
            // No file is left: the load generator fails to connect as well and says so.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(BUFFER, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut path) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if path.is_empty() {
                line.split(' ').nth(1).unwrap_or("/").clone_into(&mut path);
            } else if line == "\r\n" {
                break;
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>()?;
            }
        }
        anyhow::ensure!(length <= LARGEST_REQUEST, "a request of {length} bytes");
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        let request = std::str::from_utf8(&body)?;
        let out = stream.get_mut();
        match path.as_str() {
            "/v1/chat/completions" => answer(out, request).await?,
            "/v1/models" => whole(out, r#"{"object":"list","data":[{"id":"mock","object":"model"}]}"#).await?,
            _ => out.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?,
        }
    }
}

async fn whole(out: &mut TcpStream, json: &str) -> anyhow::Result<()> {
    let length = json.len();
    let text = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}");
    Ok(out.write_all(text.as_bytes()).await?)
}

async fn answer(out: &mut TcpStream, request: &str) -> anyhow::Result<()> {
    let (arrived, began) = (now_us(), Instant::now());
    let pace = Pace::in_prompt(request).unwrap_or(DEFAULT);
    let token = || {
        let sent = now_us();
        format!("@{sent}:{} ", sent - arrived)
    };
    if !request.contains("\"stream\":true") {
        tokio::time::sleep_until(began + pace.whole()).await;
        let text: String = (0..pace.tokens).map(|_| token()).collect();
        let json = format!(
            r#"{{"id":"mock","object":"chat.completion","created":0,"model":"mock","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{}}}"#,
            usage(pace)
        );
        return whole(out, &json).await;
    }
    out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    for number in 0..pace.tokens {
        let due = began + pace.first + pace.gap * number;
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        event(out, &chunk(&format!(r#"{{"content":"{}"}}"#, token()), "null")).await?;
    }
    event(out, &chunk("{}", "\"stop\"")).await?;
    let last = format!(
        r#"{{"id":"mock","object":"chat.completion.chunk","created":0,"model":"mock","choices":[],"usage":{}}}"#,
        usage(pace)
    );
    event(out, &last).await?;
    event(out, "[DONE]").await?;
    Ok(out.write_all(b"0\r\n\r\n").await?)
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"mock","object":"chat.completion.chunk","created":0,"model":"mock","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
    )
}

fn usage(pace: Pace) -> String {
    let tokens = pace.tokens;
    format!(r#"{{"prompt_tokens":10,"completion_tokens":{tokens},"total_tokens":{}}}"#, tokens + 10)
}

/// One event as one chunk in one write, as a provider sends a token.
async fn event(out: &mut TcpStream, data: &str) -> anyhow::Result<()> {
    let text = format!("data: {data}\n\n");
    Ok(out.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::events::Events;
    use crate::http::{Connection, Request, Target};

    #[test]
    fn a_pace_is_read_back_from_a_prompt_and_the_last_one_counts() {
        let pace = Pace::of_ms(50, 500, 30);
        assert_eq!(pace.words(), "mock:50:500:30");
        assert_eq!(Pace::in_prompt(&format!(r#"{{"content":"mock:1:2:3 and {}"}}"#, pace.words())), Some(pace));
        assert_eq!(Pace::in_prompt("mock:50:500"), None);
        assert_eq!(Pace::in_prompt("hello"), None);
        assert_eq!(pace.whole(), Duration::from_millis(500 + 49 * 30));
    }

    #[test]
    fn a_stamp_is_read_from_the_first_token_of_a_piece() {
        assert_eq!(Stamp::in_text(r#"{"text":"@12:3 @15:6 "}"#), Some(Stamp { sent: 12, held: 3 }));
        assert_eq!(Stamp::in_text(r#"{"text":"hello"}"#), None);
    }

    #[tokio::test]
    async fn it_answers_in_one_piece_and_as_a_stream_on_one_connection() {
        let model = MockModel::start().unwrap();
        let mut connection = Connection::open(&Target { address: model.address, key: "k".into() }).await.unwrap();
        let ask = |stream: bool| {
            let messages = json!([{ "role": "user", "content": Pace::of_ms(3, 1, 1).words() }]);
            Request::post("/v1/chat/completions", &json!({ "messages": messages, "stream": stream }))
        };
        let whole: Value = serde_json::from_slice(connection.call(&ask(false)).await.unwrap()).unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"].as_str().unwrap().matches('@').count(), 3, "{whole}");
        let text = connection.call(&ask(true)).await.unwrap().to_vec();
        let mut told = Vec::new();
        Events::default().feed(&text, |_, data| told.push(data.to_owned()));
        assert_eq!(told.pop().unwrap(), "[DONE]");
        let chunks: Vec<Value> = told.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        let content = |it: &Value| it["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
        let tokens: Vec<Stamp> = chunks.iter().filter_map(content).map(|it| Stamp::in_text(&it).unwrap()).collect();
        assert!(tokens.len() == 3 && tokens.is_sorted_by_key(|it| it.sent) && tokens[2].held >= 3000, "{tokens:?}");
        assert_eq!(chunks[4]["usage"]["completion_tokens"], 3);
        let models: Value =
            serde_json::from_slice(connection.call(&Request::get("/v1/models")).await.unwrap()).unwrap();
        assert_eq!(models["data"][0]["id"], "mock");
    }
}
