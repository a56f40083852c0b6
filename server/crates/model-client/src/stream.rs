//! Stands between the network and `async-openai`, as the service that sends its requests.
//!
//! The library by itself would retry on its own terms, log the body of whatever it cannot parse (which is the model's
//! text), drop `Retry-After`, and end a broken stream like a finished one. Here each request is sent once; a refusal is
//! kept whole; and a stream is brought into the form that the library reads: one line of valid JSON an event, bounded in
//! size. How it ended stands in the [`Watch`], for the library's own errors do not say.

use std::sync::{Arc, Mutex};

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use eventsource_stream::{Event, EventStream, EventStreamError};
use futures::{Stream, StreamExt};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde::de::IgnoredAny;

use crate::refusal::{Refusal, shortened};

/// The longest line of a stream; a chunk of a token or two is a few hundred bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// The longest answer as it comes over the wire, where every token costs about 200 bytes of JSON around it.
const MAX_STREAM_BYTES: usize = 64 << 20;

/// The longest error page that is read for the message in it.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// How the stream of one request ended. Written by the stream, read by the attempt when the stream is over.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<End>);

#[derive(Debug, Default)]
pub(crate) enum End {
    /// The connection closed, which is an end only if the answer had one.
    #[default]
    Closed,
    /// The provider said `[DONE]`, or sent the answer in one piece.
    Done,
    Broken(String),
    BadAnswer(String),
}

impl Watch {
    fn ended(&self, end: End) {
        if let Ok(mut state) = self.0.lock() {
            *state = end;
        }
    }

    pub(crate) fn end(&self) -> End {
        self.0.lock().map(|mut state| std::mem::take(&mut *state)).unwrap_or_default()
    }
}

/// What a request needs besides itself; one for each request, since its end belongs to that request.
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) config: OpenAIConfig,
    pub(crate) base_url: String,
    pub(crate) has_key: bool,
    pub(crate) watch: Arc<Watch>,
}

pub(crate) fn client(transport: Transport) -> Client<OpenAIConfig> {
    let Transport { http, config, base_url, has_key, watch } = transport;
    let sender = http.clone();
    let service = tower::service_fn(move |request: HttpRequestFactory| {
        let (http, base_url, watch) = (sender.clone(), base_url.clone(), watch.clone());
        async move { send(&http, &base_url, has_key, watch, request).await }
    });
    Client::build(http, config).with_http_service(service)
}

async fn send(
    http: &reqwest::Client,
    base_url: &str,
    has_key: bool,
    watch: Arc<Watch>,
    factory: HttpRequestFactory,
) -> Result<reqwest::Response, OpenAIError> {
    let mut request = factory.build().await?;
    let streams = request.method() == http::Method::POST;
    let headers = request.headers_mut();
    if has_key {
        if let Some(value) = headers.get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
        }
    } else {
        headers.remove(AUTHORIZATION);
    }
    if streams {
        headers.insert(ACCEPT, http::HeaderValue::from_static("text/event-stream"));
    }
    let response = http.execute(request).await.map_err(|error| OpenAIError::Reqwest(error.without_url()))?;
    let status = response.status();
    if !status.is_success() {
        let headers = response.headers().clone();
        let body = beginning(response).await;
        let refusal = Refusal::from_response(base_url, status.as_u16(), &headers, &body);
        return Err(OpenAIError::Boxed(Box::new(refusal)));
    }
    let kind = content_type(response.headers());
    if kind.contains("html") {
        let status = status.as_u16();
        watch.ended(End::BadAnswer(format!("it answered {status} with a web page instead of an answer ({kind})")));
        return Ok(replaced(futures::stream::empty()));
    }
    if !streams {
        return Ok(response);
    }
    if kind.contains("application/json") {
        return Ok(replaced(one_piece(response, watch)));
    }
    Ok(replaced(events(response.bytes_stream(), watch)))
}

fn content_type(headers: &HeaderMap) -> String {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
}

/// As much of an error's body as a message needs; one that stops coming is used as far as it came.
async fn beginning(response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(bytes)) = stream.next().await {
        body.extend_from_slice(&bytes);
        if body.len() >= MAX_ERROR_BYTES {
            body.truncate(MAX_ERROR_BYTES);
            break;
        }
    }
    body
}

/// A response with this body, which cannot fail: how it ended is in the watch.
fn replaced(stream: impl Stream<Item = String> + Send + 'static) -> reqwest::Response {
    let body = reqwest::Body::wrap_stream(stream.map(Ok::<_, std::io::Error>));
    reqwest::Response::from(http::Response::new(body))
}

/// A provider that does not stream answers with the whole at once, which becomes a stream of one event.
fn one_piece(response: reqwest::Response, watch: Arc<Watch>) -> impl Stream<Item = String> + Send + 'static {
    futures::stream::once(async move {
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(next) = stream.next().await {
            match next {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(error) => {
                    watch.ended(End::Broken(error.without_url().to_string()));
                    return String::new();
                }
            }
            if body.len() > MAX_STREAM_BYTES {
                watch.ended(End::BadAnswer(format!("it is larger than {} MiB", MAX_STREAM_BYTES >> 20)));
                return String::new();
            }
        }
        watch.ended(End::Done);
        event_line(&String::from_utf8_lossy(&body), &watch).unwrap_or_default()
    })
}

/// The events of a stream, each as one line of JSON.
fn events<B: AsRef<[u8]> + Send + 'static>(
    bytes: impl Stream<Item = reqwest::Result<B>> + Send + 'static,
    watch: Arc<Watch>,
) -> impl Stream<Item = String> + Send + 'static {
    let bounded = bounded(bytes).boxed();
    futures::stream::unfold(Some((EventStream::new(bounded), watch)), |state| async move {
        let (mut events, watch) = state?;
        loop {
            let event = match events.next().await? {
                Ok(event) => event,
                Err(error) => {
                    watch.ended(match error {
                        EventStreamError::Transport(end) => end,
                        EventStreamError::Utf8(_) => End::BadAnswer("its text is not UTF-8".to_owned()),
                        EventStreamError::Parser(_) => End::BadAnswer("its text is not an event stream".to_owned()),
                    });
                    return None;
                }
            };
            let data = event.data.trim();
            if data == "[DONE]" {
                watch.ended(End::Done);
                return Some(("data: [DONE]\n\n".to_owned(), None));
            }
            if data.is_empty() {
                continue;
            }
            let line = event_line(&data_of(&event), &watch);
            return line.map(|line| (line, Some((events, watch))));
        }
    })
}

/// Servers that report trouble as an `error` event with bare words get the shape that others use.
fn data_of(event: &Event) -> String {
    if event.event == "error" && serde_json::from_str::<IgnoredAny>(&event.data).is_err() {
        return serde_json::json!({ "error": { "message": event.data } }).to_string();
    }
    event.data.clone()
}

/// A line break in valid JSON is only ever blank space between its tokens.
fn event_line(data: &str, watch: &Watch) -> Option<String> {
    match serde_json::from_str::<IgnoredAny>(data) {
        Ok(IgnoredAny) => Some(format!("data: {}\n\n", data.trim().replace(['\n', '\r'], " "))),
        Err(error) => {
            watch.ended(End::BadAnswer(format!("a part of it is not JSON ({error}): {}", shortened(data))));
            None
        }
    }
}

/// The bytes as they come, until a line or the whole grows beyond what an answer can be. At the end an empty line is
/// added, since some providers leave it out after the last event.
fn bounded<B: AsRef<[u8]> + Send + 'static>(
    bytes: impl Stream<Item = reqwest::Result<B>> + Send + 'static,
) -> impl Stream<Item = Result<Vec<u8>, End>> + Send + 'static {
    let (mut line, mut whole) = (0_usize, 0_usize);
    let checked = bytes.map(move |next| {
        let bytes = next.map_err(|error| End::Broken(cause(error)))?;
        let bytes = bytes.as_ref();
        whole = whole.saturating_add(bytes.len());
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line = line.saturating_add(part.len());
            if line > MAX_LINE_BYTES {
                return Err(End::BadAnswer(format!("a line of it is longer than {} KiB", MAX_LINE_BYTES >> 10)));
            }
            if part.ends_with(b"\n") {
                line = 0;
            }
        }
        if whole > MAX_STREAM_BYTES {
            return Err(End::BadAnswer(format!("it is larger than {} MiB", MAX_STREAM_BYTES >> 20)));
        }
        Ok(bytes.to_vec())
    });
    checked.chain(futures::stream::once(async { Ok(b"\n\n".to_vec()) }))
}

fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
