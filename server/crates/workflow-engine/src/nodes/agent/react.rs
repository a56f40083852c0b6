//! Agents for models that cannot call functions: they write what they want to do, and it is read with patience.

use super::Language;
use super::tools::Tool;

/// The words that begin a section, in both languages; longer ones before their own beginnings.
const LABELS: [(&str, Label); 14] = [
    ("final answer", Label::Final),
    ("最终答案", Label::Final),
    ("最终回答", Label::Final),
    ("action input", Label::Input),
    ("行动输入", Label::Input),
    ("动作输入", Label::Input),
    ("action", Label::Action),
    ("行动", Label::Action),
    ("动作", Label::Action),
    ("observation", Label::Observation),
    ("观察结果", Label::Observation),
    ("观察", Label::Observation),
    ("thought", Label::Thought),
    ("思考", Label::Thought),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Thought,
    Action,
    Input,
    Observation,
    Final,
}

/// What a model wrote in one round.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Final(String),
    Call {
        thought: String,
        tool: String,
        input: String,
    },
    /// Neither an action nor an answer.
    Thought(String),
}

/// How the model is told to work.
pub(super) fn instructions(tools: &[Tool], language: Language) -> String {
    let list: String =
        tools.iter().map(|it| format!("- {}: {}\n  {}\n", it.name, it.description.trim(), it.parameters)).collect();
    let names: Vec<&str> = tools.iter().map(|it| it.name.as_str()).collect();
    let names = names.join(", ");
    match language {
        Language::Chinese => format!(
            "请一步一步地完成目标。可以使用下列工具，每个工具后面是其输入的 JSON Schema：\n{list}\n\
             每次严格按照以下格式书写：\n\
             Thought: 下一步做什么，为什么\n\
             Action: 以下之一：{names}\n\
             Action Input: 工具的输入，一个 JSON 对象\n\n\
             写到这里就停下，随后会以 Observation 告诉你结果。可以重复多次。知道答案后，按以下格式书写：\n\
             Thought: 我知道答案了\n\
             Final Answer: 用目标所用的语言给出的回答"
        ),
        Language::English => format!(
            "Reach the goal step by step. You may use these tools; after each stands the JSON Schema of its input:\n{list}\n\
             Write in exactly this form every time:\n\
             Thought: what to do next, and why\n\
             Action: one of: {names}\n\
             Action Input: the tool's input, one JSON object\n\n\
             Stop there; the result is told to you as an Observation. Repeat as often as needed. When you know the answer:\n\
             Thought: I know the answer\n\
             Final Answer: the answer, in the language of the goal"
        ),
    }
}

/// What is said to a model that wrote neither an action nor an answer.
pub(super) fn reminder(language: Language) -> &'static str {
    match language {
        Language::Chinese => "请写出 `Action` 和 `Action Input`，或者写出 `Final Answer`。",
        Language::English => "Write either `Action` and `Action Input`, or `Final Answer`.",
    }
}

/// Reads one round. Whatever follows a first action was made up, results included; a text without any of the words that
/// were asked for is taken as the answer.
pub(super) fn read(text: &str) -> Said {
    let mut thought = String::new();
    let mut action: Option<String> = None;
    let mut input: Option<String> = None;
    let mut labelled = false;
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        match label(line) {
            Some((Label::Final, first)) if action.is_none() => {
                return Said::Final(format!("{first}\n{after}").trim().to_owned());
            }
            Some((Label::Action, name)) if action.is_none() => action = Some(name.to_owned()),
            Some((Label::Input, first)) if action.is_some() && input.is_none() => input = Some(first.to_owned()),
            Some((Label::Thought, first)) if action.is_none() => push_line(&mut thought, first),
            Some((Label::Input | Label::Observation, _)) if action.is_none() => {}
            Some(_) => break,
            None => match (&mut action, &mut input) {
                (_, Some(input)) => push_line(input, line),
                (Some(name), None) if name.is_empty() => line.trim().clone_into(name),
                (Some(_), None) => {}
                (None, None) => push_line(&mut thought, line),
            },
        }
        labelled |= label(line).is_some();
        rest = after;
    }
    let (thought, input) = (thought.trim().to_owned(), input.unwrap_or_default().trim().to_owned());
    match action.map(|it| clean(&it).to_owned()) {
        Some(name) if matches!(label(&format!("{name}:")), Some((Label::Final, _))) => Said::Final(input),
        Some(tool) => Said::Call { thought, tool, input },
        None if labelled || thought.is_empty() => Said::Thought(thought),
        None => Said::Final(thought),
    }
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// The word that a line begins with, and what stands after it. Models like to print it in bold.
fn label(line: &str) -> Option<(Label, &str)> {
    let line = line.trim_start_matches(|it: char| it.is_whitespace() || matches!(it, '*' | '#' | '>' | '_'));
    let begins = |word: &str| line.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    let (word, label) = LABELS.iter().copied().find(|(word, _)| begins(word))?;
    let after = line.get(word.len()..)?.trim_start_matches(['*', '_', ' ']);
    let after = after.strip_prefix(':').or_else(|| after.strip_prefix('：'))?;
    Some((label, after.trim_start_matches(['*', '_']).trim()))
}

/// A tool's name without what models put around it.
fn clean(name: &str) -> &str {
    name.trim().trim_matches(|it: char| matches!(it, '`' | '"' | '\'' | '[' | ']' | '*' | '“' | '”' | '.' | '。'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(thought: &str, tool: &str, input: &str) -> Said {
        Said::Call { thought: thought.into(), tool: tool.into(), input: input.into() }
    }

    #[test]
    fn the_wanted_form_and_what_models_make_of_it() {
        let wanted = "Thought: look\nAction: menu\nAction Input: {\"query\": \"hot\"}";
        assert_eq!(read(wanted), call("look", "menu", r#"{"query": "hot"}"#));
        assert_eq!(read("**Thought:** look\n**Action**: `menu`\n**Action Input:** {}"), call("look", "menu", "{}"));
        assert_eq!(read("思考：看看\n行动：menu\n行动输入：{\n\"a\": 1\n}"), call("看看", "menu", "{\n\"a\": 1\n}"));
        assert_eq!(read("I look.\nACTION:\nmenu"), call("I look.", "menu", ""));
        let made_up = format!("{wanted}\nObservation: nothing\nThought: so\nFinal Answer: none");
        assert_eq!(read(&made_up), call("look", "menu", r#"{"query": "hot"}"#));
    }

    #[test]
    fn an_answer_is_everything_after_its_word() {
        assert_eq!(
            read("Thought: done\nFinal Answer: 辣子鸡\nAction: none"),
            Said::Final("辣子鸡\nAction: none".into())
        );
        assert_eq!(read("最终答案：\n辣子鸡"), Said::Final("辣子鸡".into()));
        assert_eq!(read("Action: Final Answer\nAction Input: 辣子鸡"), Said::Final("辣子鸡".into()));
        assert_eq!(read("Just an answer.\nIn two lines."), Said::Final("Just an answer.\nIn two lines.".into()));
        assert_eq!(read("Thought: hm"), Said::Thought("hm".into()));
        assert_eq!(read(""), Said::Thought(String::new()));
        assert_eq!(read("Actions speak: loud"), Said::Final("Actions speak: loud".into()));
    }
}
