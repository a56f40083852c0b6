//! A message for a group: checked, and cut into the parts that a robot takes.

use parlour_plugin_sdk::http::Request;
use parlour_plugin_sdk::{Deserialize, Error, JsonSchema, Result, Value};

use crate::notify::ToGroup;

/// Robots take 20 messages a minute or fewer; a text of more parts than this is no message.
const MAX_PARTS: usize = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Format {
    #[default]
    Text,
    Markdown,
}

/// Whose rules a message must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Robot {
    Wecom,
    Dingtalk,
    Feishu,
}

impl Robot {
    fn name(self) -> &'static str {
        match self {
            Self::Wecom => "WeCom",
            Self::Dingtalk => "DingTalk",
            Self::Feishu => "Feishu",
        }
    }

    /// Bytes of one message: <https://developer.work.weixin.qq.com/document/path/91770>; DingTalk and Feishu take requests of
    /// 20,000 bytes, of which the frame and the escapes need some.
    fn room(self, format: Format) -> usize {
        match (self, format) {
            (Self::Wecom, Format::Text) => 2048,
            (Self::Wecom, Format::Markdown) => 4096,
            (Self::Dingtalk | Self::Feishu, _) => 15_000,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    robot: Robot,
    pub(crate) text: String,
    pub(crate) format: Format,
    pub(crate) title: String,
    pub(crate) mention: Vec<String>,
    pub(crate) mention_all: bool,
}

impl Message {
    /// The message, or everything that is wrong with it at once.
    pub(crate) fn checked(input: ToGroup, robot: Robot) -> Result<Self> {
        let ToGroup { text, format, title, mention, mention_all } = input;
        let mut problems = Vec::new();
        if text.trim().is_empty() {
            problems.push("`text` is empty; say what to send".to_owned());
        }
        let mention: Vec<String> = mention.iter().map(|id| id.trim().to_owned()).collect();
        let is_id = |id: &String| !id.is_empty() && id.chars().all(|it| it.is_alphanumeric() || "_-.@+".contains(it));
        if let Some(wrong) = mention.iter().find(|id| !is_id(id)) {
            problems.push(format!("`mention` has `{wrong}`, which is no user id"));
        }
        if robot == Robot::Wecom && format == Format::Markdown && mention_all {
            problems.push("WeCom mentions everybody in texts only; use `format: text`".to_owned());
        }
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems.join("; ")));
        }
        let title = title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| beginning(&text));
        Ok(Self { robot, text, format, title, mention, mention_all })
    }

    /// Sends every part; gives their number. `request` makes the request of a part, the last of which gets the mentions.
    pub(crate) fn send_parts(
        &self,
        request: impl Fn(&str, bool) -> Result<Request>,
        verdict: impl Fn(&Value) -> Result<()>,
    ) -> Result<usize> {
        let parts = parts(&self.text, self.robot.room(self.format));
        let count = parts.len();
        if count > MAX_PARTS {
            return Err(Error::InvalidInput(format!(
                "`text` has {} bytes; {} takes {} in one message, and at most {MAX_PARTS} messages are sent",
                self.text.len(),
                self.robot.name(),
                self.robot.room(self.format)
            )));
        }
        for (number, part) in (1..).zip(&parts) {
            let sent = request(part, number == count)?.send().and_then(|response| {
                // Refusals come with any status; the body says more than that does.
                match response.json::<Value>() {
                    Ok(answer) if answer.is_object() => verdict(&answer),
                    Ok(_) | Err(_) => {
                        response.error_for_status().and_then(|response| response.json::<Value>()).map(|_| ())
                    }
                }
            });
            sent.map_err(|error| if number == 1 { error } else { in_part(error, number, count) })?;
        }
        Ok(count)
    }
}

/// The first line without marks, for a list of chats.
fn beginning(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', '*', '-', ' ']);
    line.chars().filter(|character| !"*`".contains(*character)).take(40).collect()
}

/// Whoever sends again must know that the others have been read.
fn in_part(error: Error, number: usize, count: usize) -> Error {
    let sent = format!("part {number} of {count} was not sent, those before it were: ");
    match error {
        Error::InvalidInput(text) => Error::InvalidInput(sent + &text),
        Error::NotFound(text) => Error::NotFound(sent + &text),
        Error::Denied(text) => Error::Denied(sent + &text),
        Error::Unavailable(text) => Error::Unavailable(sent + &text),
        Error::Failed(text) => Error::Failed(sent + &text),
        Error::RateLimited(seconds) => Error::Failed(format!("{sent}{}", Error::RateLimited(seconds))),
    }
}

/// A text in parts of so many bytes, cut at the ends of lines where there are any.
fn parts(text: &str, room: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end();
    while rest.len() > room {
        let mut end = room;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let line_end = rest.get(..end).and_then(|part| part.rfind('\n')).filter(|at| *at > room / 2);
        let (part, after) = rest.split_at_checked(line_end.unwrap_or(end)).unwrap_or((rest, ""));
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start_matches('\n');
    }
    parts.push(rest.to_owned());
    parts
}

/// No service has it, so it is a failure like any unknown one.
const NO_CODE: i64 = i64::MIN;

/// The number of a robot's answer, and its words without the advertisement for the manual.
pub(crate) fn code_of(answer: &Value, number: &str, words: &str) -> (i64, String) {
    let code = answer.get(number).and_then(Value::as_i64).unwrap_or(NO_CODE);
    let words = answer.get(words).and_then(Value::as_str).unwrap_or("it did not say why");
    let words = words.split([',', '，']).next().unwrap_or(words).trim();
    (code, words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_lines_and_never_inside_a_character() {
        assert_eq!(parts("short\n", 100), ["short"]);
        assert_eq!(parts("一二三四五", 7), ["一二", "三四", "五"]);
        assert_eq!(parts("line one\nline two\nline three", 18), ["line one\nline two", "line three"]);
        assert_eq!(parts("a\nbbbbbbbbbbbb", 10), ["a\nbbbbbbbb", "bbbb"], "a line's end too early is no place to cut");
    }

    #[test]
    fn a_title_is_made_from_the_first_line() {
        assert_eq!(beginning("\n## **日报** `今天`\nmore"), "日报 今天");
        assert_eq!(beginning(&"长".repeat(90)).chars().count(), 40);
    }
}
