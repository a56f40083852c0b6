//! E-mail by the HTTP interfaces of Resend and SendGrid, whose keys are plain headers. (Mailgun signs in by `Basic`, which is
//! computed from the key; a plugin that never sees the key cannot.)

use parlour_plugin_sdk::http::Response;
use parlour_plugin_sdk::{Deserialize, Error, JsonSchema, Result, Value, http, json};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

use crate::message::Format;
use crate::notify::{Settings, ToMail};

const RESEND: &str = "https://api.resend.com/emails";
const SENDGRID: &str = "https://api.sendgrid.com/v3/mail/send";
/// What both services take at once.
const MAX_RECIPIENTS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Provider {
    Resend,
    Sendgrid,
}

/// `Name <name@example.com>`, or the address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    name: Option<String>,
    email: String,
}

pub(crate) struct Mail {
    to: Vec<Address>,
    cc: Vec<Address>,
    reply_to: Option<Address>,
    subject: String,
    text: String,
    html: Option<String>,
}

impl Address {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, email) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, email)) => {
                (Some(name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()), email)
            }
            None => (None, text),
        };
        let (user, domain) = email.split_once('@')?;
        let plain =
            |part: &str| !part.is_empty() && !part.contains(|it: char| it.is_whitespace() || "@<>,;\"".contains(it));
        let one_line = name.as_deref().is_none_or(|name| !name.contains(['\n', '\r', '<', '>', '"']));
        (plain(user) && plain(domain) && domain.contains('.') && one_line)
            .then(|| Self { name, email: email.to_owned() })
    }

    fn written(&self) -> String {
        let Self { name, email } = self;
        name.as_ref().map_or_else(|| email.clone(), |name| format!("\"{name}\" <{email}>"))
    }

    fn object(&self) -> Value {
        let Self { name, email } = self;
        name.as_ref().map_or_else(|| json!({"email": email}), |name| json!({"email": email, "name": name}))
    }
}

impl Mail {
    /// The mail, or everything that is wrong with it at once.
    pub(crate) fn checked(input: ToMail) -> Result<Self> {
        let ToMail { to, cc, reply_to, subject, text, format } = input;
        let mut problems = Vec::new();
        let mut read = |name: &str, texts: &[String]| {
            let mut addresses = Vec::new();
            for text in texts {
                match Address::read(text) {
                    Some(address) => addresses.push(address),
                    None => problems.push(format!("`{name}` has `{text}`, which is no e-mail address")),
                }
            }
            addresses
        };
        let (to_read, cc_read) = (read("to", &to), read("cc", &cc));
        let reply_to = read("reply_to", reply_to.as_slice()).pop();
        if to.is_empty() {
            problems.push("`to` is empty; name at least one recipient".to_owned());
        }
        if to.len() + cc.len() > MAX_RECIPIENTS {
            problems.push(format!(
                "there are {} recipients; at most {MAX_RECIPIENTS} are sent to at once",
                to.len() + cc.len()
            ));
        }
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        if subject.is_empty() {
            problems.push("`subject` is empty".to_owned());
        }
        if text.trim().is_empty() {
            problems.push("`text` is empty; say what to send".to_owned());
        }
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems.join("; ")));
        }
        let html = (format == Format::Markdown).then(|| to_html(&text));
        Ok(Self { to: to_read, cc: cc_read, reply_to, subject, text, html })
    }
}

/// The service's id of the mail.
pub(crate) fn send(settings: &Settings, mail: &Mail) -> Result<Option<String>> {
    let mut missing = Vec::new();
    for (name, there) in [
        ("email_provider", settings.email_provider.is_some()),
        ("email_key", settings.email_key.is_some()),
        ("email_from", settings.email_from.is_some()),
    ] {
        if !there {
            missing.push(format!("`{name}`"));
        }
    }
    let (Some(provider), Some(key), Some(from)) = (settings.email_provider, &settings.email_key, &settings.email_from)
    else {
        return Err(Error::Failed(format!(
            "e-mail is not set up; fill in the plugin's settings {}",
            missing.join(", ")
        )));
    };
    let Some(from) = Address::read(from) else {
        return Err(Error::Failed(format!(
            "the plugin's setting `email_from` is `{from}`, which is no e-mail address"
        )));
    };
    match provider {
        Provider::Resend => {
            let answer = accepted("Resend", http::post(RESEND).bearer(key).json(&for_resend(&from, mail)).send()?)?;
            let id = answer.json::<Value>()?;
            Ok(id.get("id").and_then(Value::as_str).map(str::to_owned))
        }
        Provider::Sendgrid => {
            let answer =
                accepted("SendGrid", http::post(SENDGRID).bearer(key).json(&for_sendgrid(&from, mail)).send()?)?;
            Ok(answer.header("X-Message-Id").map(str::to_owned))
        }
    }
}

/// <https://resend.com/docs/api-reference/emails/send-email>
fn for_resend(from: &Address, mail: &Mail) -> Value {
    let written = |addresses: &[Address]| addresses.iter().map(Address::written).collect::<Vec<_>>();
    let mut body = json!({"from": from.written(), "to": written(&mail.to), "subject": mail.subject, "text": mail.text});
    set(&mut body, "cc", (!mail.cc.is_empty()).then(|| written(&mail.cc).into()));
    set(&mut body, "reply_to", mail.reply_to.as_ref().map(|address| address.written().into()));
    set(&mut body, "html", mail.html.as_deref().map(Value::from));
    body
}

/// <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>
fn for_sendgrid(from: &Address, mail: &Mail) -> Value {
    let objects = |addresses: &[Address]| addresses.iter().map(Address::object).collect::<Vec<_>>();
    let mut recipients = json!({"to": objects(&mail.to)});
    set(&mut recipients, "cc", (!mail.cc.is_empty()).then(|| objects(&mail.cc).into()));
    let mut content = vec![json!({"type": "text/plain", "value": mail.text})];
    content.extend(mail.html.iter().map(|html| json!({"type": "text/html", "value": html})));
    let mut body =
        json!({"personalizations": [recipients], "from": from.object(), "subject": mail.subject, "content": content});
    set(&mut body, "reply_to", mail.reply_to.as_ref().map(Address::object));
    body
}

fn set(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(body), Some(value)) = (body.as_object_mut(), value) {
        body.insert(name.to_owned(), value);
    }
}

/// Says in the service's own words why it does not take a mail.
fn accepted(service: &str, response: Response) -> Result<Response> {
    let answer: Value = response.json().unwrap_or_default();
    let own = answer.get("message").or_else(|| answer.pointer("/errors/0/message")).and_then(Value::as_str);
    let (status, own) = (response.status, own.map(str::to_owned));
    let message = |own: String| format!("{service} answered {status}: {own}");
    match (status, own) {
        (400 | 413 | 422, Some(own)) => Err(Error::InvalidInput(message(own))),
        (401, Some(own)) => Err(Error::Denied(format!("{}; see the plugin's setting `email_key`", message(own)))),
        (403, Some(own)) => {
            Err(Error::Denied(format!("{}; see the plugin's settings `email_key` and `email_from`", message(own))))
        }
        _ => response.error_for_status(),
    }
}

/// Markdown as HTML. Raw HTML in it is shown as text and only web and mail links stay links: a model may have written it.
#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else Markdown may get passes as it is")]
fn to_html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let harmless = |address: &CowStr<'_>| {
        ["https://", "http://", "mailto:"].iter().any(|start| address.to_ascii_lowercase().starts_with(start))
    };
    let events = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) if !harmless(&dest_url) => {
            Event::Start(Tag::Link { link_type, dest_url: "".into(), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) if !harmless(&dest_url) => {
            Event::Start(Tag::Image { link_type, dest_url: "".into(), title, id })
        }
        other => other,
    });
    let mut written = String::new();
    html::push_html(&mut written, events);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let read = |text: &str| Address::read(text).map(|address| address.written());
        assert_eq!(read(" a@b.cn "), Some("a@b.cn".to_owned()));
        assert_eq!(read("李四 <li@example.com>"), Some("\"李四\" <li@example.com>".to_owned()));
        assert_eq!(read("\"Li, Si\" <li@example.com>"), Some("\"Li, Si\" <li@example.com>".to_owned()));
        for wrong in ["", "a", "a@b", "a b@c.cn", "a@b.cn,c@d.cn", "x\nBcc: y <a@b.cn>", "<a@b.cn", "a@b@c.cn"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn markdown_becomes_harmless_html() {
        assert_eq!(
            to_html("# A\n\n- **b** [c](https://d.cn)\n"),
            "<h1>A</h1>\n<ul>\n<li><strong>b</strong> <a href=\"https://d.cn\">c</a></li>\n</ul>\n"
        );
        assert!(to_html("| a |\n|---|\n| b |").contains("<table>"));
        let hostile =
            to_html("<script>x</script>\n\n<b onclick=y>z</b>\n\n[a](javascript:alert(1)) ![i](data:text/html,x)");
        for part in ["<script", "<b ", "javascript", "data:"] {
            assert!(!hostile.contains(part), "{hostile}");
        }
        assert!(hostile.contains("&lt;script&gt;x"), "{hostile}");
    }
}
