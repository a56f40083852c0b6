//! `parlour plugin install` and `publish`: upload a file to a running server, and say what it asks for and how to grant that,
//! or how an administrator installs what was published.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use plugin_host::Manifest;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, Url};
use serde_json::Value;

use crate::app::AppError;
use crate::app::clock::new_uuid;
use crate::config::{Format, InstallPluginArgs};

use super::{read, words};

/// A server compiles what it is sent; the largest plugin takes a small machine about this long.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn execute(args: InstallPluginArgs) -> anyhow::Result<ExitCode> {
    send(args, "plugins", "manifest", print).await
}

pub(super) async fn publish(args: InstallPluginArgs) -> anyhow::Result<ExitCode> {
    send(args, "plugins/publish", "published", print_published).await
}

/// `member` is one that the answer of a Parlour server has.
async fn send(
    args: InstallPluginArgs,
    route: &str,
    member: &str,
    print: fn(&str, &Value) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let InstallPluginArgs { plugin, url, key, format } = args;
    let base = url.trim_end_matches('/');
    let address: Url = format!("{base}/api/v1/{route}").parse().map_err(|_| {
        AppError::invalid(format!("`{url}` is no address of a server")).hint("for example `http://127.0.0.1:7272`")
    })?;
    let (file, bytes) = read(&plugin)?;
    let name = file.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let answer = upload(address, &key, &name, &bytes).await.map_err(|error| {
        AppError::invalid(format!("there is no answer from `{base}`: {}", innermost(&error)))
            .hint("is `parlour serve` running there? `--url` or PARLOUR_URL names another server")
    })?;
    let told = accepted(answer, base, member).await?;
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&told)?),
        Format::Text => print(base, &told)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// As a browser's form sends a file.
async fn upload(address: Url, key: &str, name: &str, bytes: &[u8]) -> reqwest::Result<Response> {
    // reqwest is built without a TLS provider of its own; the first one installed wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let boundary = format!("parlour-{}", new_uuid().simple());
    let name: String = name.chars().map(|it| if it.is_control() || "\"\\".contains(it) { '_' } else { it }).collect();
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/wasm\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    // A redirect would carry the key to wherever it leads.
    let client = reqwest::Client::builder()
        .user_agent(concat!("parlour/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let kind = format!("multipart/form-data; boundary={boundary}");
    client.post(address).bearer_auth(key).header(CONTENT_TYPE, kind).body(body).send().await
}

/// What the server has now, or its own words about why it has not.
async fn accepted(answer: Response, base: &str, member: &str) -> anyhow::Result<Value> {
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("the answer of `{base}` broke off"))?;
    let body: Option<Value> = serde_json::from_str(&text).ok();
    let field = |key: &str| body.as_ref().and_then(|it| it.get(key)).and_then(Value::as_str).map(str::to_owned);
    let not_parlour = || {
        AppError::invalid(format!("what answers at `{base}` ({status}) is not a Parlour server"))
            .hint("`--url` or PARLOUR_URL is the address that `parlour serve` prints")
    };
    if status.is_success() {
        return Ok(body.filter(|it| it.get(member).is_some()).ok_or_else(not_parlour)?);
    }
    let detail = field("detail").ok_or_else(not_parlour)?;
    let how_to_get_a_key = match field("code").as_deref() {
        Some("not_authenticated" | "missing_scope") => {
            Some("`parlour key create --name NAME --scope manage` on the server makes a key that may".to_owned())
        }
        Some(_) | None => None,
    };
    Err(AppError::invalid(detail).maybe_hint(field("hint")).maybe_hint(how_to_get_a_key).into())
}

fn print(base: &str, installed: &Value) -> anyhow::Result<()> {
    let manifest: Manifest = serde_json::from_value(installed.get("manifest").cloned().unwrap_or_default())
        .context("the server is of another version: its manifest cannot be understood")?;
    println!("installed {} at {base}", words::name(&manifest));
    for tool in &manifest.tools {
        println!("  use: {}/{}", manifest.id, tool.name);
    }
    let asks = words::asks(&manifest.permissions);
    for line in words::asks_in_lines(&asks) {
        println!("{line}");
    }
    if asks.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> =
        installed.get("missing").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if missing.is_empty() {
        println!("all of it is granted");
        return Ok(());
    }
    println!("not granted yet: {}", missing.join(", "));
    println!("to grant all of it:");
    println!("  curl -X PUT {base}/api/v1/plugins/{}/grants -H \"Authorization: Bearer $PARLOUR_KEY\" \\", manifest.id);
    println!(
        "    -H 'Content-Type: application/json' -d '{}'",
        words::grants(&manifest.permissions).to_string().replace('\'', r"'\''")
    );
    Ok(())
}

fn print_published(base: &str, told: &Value) -> anyhow::Result<()> {
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (id, version, sha256) = (text("/plugin/id"), text("/published/version"), text("/published/sha256"));
    println!("published `{id}` {version} at {base}");
    let is = |pointer: &str| told.pointer(pointer) == Some(&Value::Bool(true));
    let (what, route, body) = if !is("/published/current") {
        println!("`{id}` {} stays in use", text("/plugin/version"));
        ("installs it", format!("POST {base}/api/v1/plugins/{id}/versions/{sha256}/restore"), "")
    } else if is("/plugin/enabled") {
        println!("it is in use already");
        return Ok(());
    } else {
        println!("nobody has installed `{id}` before, so it is switched off and nothing is granted");
        let body = " -H 'Content-Type: application/json' -d '{\"enabled\": true}'";
        ("switches it on", format!("PUT {base}/api/v1/plugins/{id}/enabled"), body)
    };
    println!("an administrator {what} on the page {base}/plugins/{id}, or by");
    println!("  curl -X {route} -H \"Authorization: Bearer $PARLOUR_KEY\"{body}");
    Ok(())
}

/// The cause that says something, such as “Connection refused”; those around it only say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
