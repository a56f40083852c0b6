//! Events as lines of text that a person can review.

use workflow_engine::{Effect, Event, MessageRole, RunError};

pub(crate) fn line(event: &Event) -> String {
    match event {
        Event::RunStarted { inputs } => format!("run started {inputs}"),
        Event::NodeStarted { node, kind, input } => format!("{node} started: {kind} {input}"),
        Event::NodeFinished { node, port, output, saved } => {
            let kept = saved.as_ref().map(|it| format!(", kept, saving {it}")).unwrap_or_default();
            format!("{node} finished by {port}{kept}: {output}")
        }
        Event::NodeKept { node, port, output } => format!("{node} kept by {port}: {output}"),
        Event::OutputKept { key, ports, output } => {
            format!("keep for {} ms, by {}: {output}", key.ttl_ms, ports.join(", "))
        }
        Event::NodeSkipped { node } => format!("{node} skipped"),
        Event::NodeFailed { node, error, handled } => {
            format!("{node} failed{}: {}", if *handled { ", handled" } else { "" }, reason(error))
        }
        Event::EffectRequested(it) => {
            let attempt = if it.attempt > 1 { format!(", attempt {}", it.attempt) } else { String::new() };
            let timeout = it.timeout_ms.map(|it| format!(", within {it} ms")).unwrap_or_default();
            format!("{} asks #{}{attempt}{timeout}: {}", it.node, it.id.0, effect(&it.effect))
        }
        Event::EffectCancelled { id, node } => format!("{node} no longer asks #{}", id.0),
        Event::AnswerDelta { node, text } => format!("{node} says {}", quoted(text)),
        Event::AnswerCompleted { node, text } => format!("{node} has said {}", quoted(text)),
        Event::StateChanged { state } => format!("state {state}"),
        Event::RunFinished { outputs, answer } => format!("run finished {outputs} answer {}", quoted(answer)),
        Event::RunFailed { error, answer } => format!("run failed: {} answer {}", reason(error), quoted(answer)),
        Event::RunCancelled => "run cancelled".to_owned(),
    }
}

fn reason(error: &RunError) -> String {
    let RunError { code, message, hint, node } = error;
    let node = node.as_ref().map(|it| format!(" at {it}")).unwrap_or_default();
    let hint = hint.as_ref().map(|it| format!(" (hint: {it})")).unwrap_or_default();
    format!("[{code}]{node} {message}{hint}")
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Complete { model, messages, temperature, max_tokens, schema, tools } => {
            let mut line = format!("complete with {model}");
            if let Some(it) = temperature {
                line.push_str(&format!(", temperature {it}"));
            }
            if let Some(it) = max_tokens {
                line.push_str(&format!(", max_tokens {it}"));
            }
            if let Some(it) = schema {
                line.push_str(&format!(", schema {it}"));
            }
            for tool in tools {
                line.push_str(&format!(
                    "\n    may call {}: {} {}",
                    tool.name,
                    quoted(&tool.description),
                    tool.parameters
                ));
            }
            for message in messages {
                let role = match message.role {
                    MessageRole::System => "system",
                    MessageRole::User => "user",
                    MessageRole::Assistant => "assistant",
                    MessageRole::Tool => "tool",
                };
                line.push_str(&format!("\n    {role}: {}", quoted(&message.content)));
                for call in &message.tool_calls {
                    line.push_str(&format!(" calls {} {}", call.name, call.arguments));
                }
                for image in &message.images {
                    line.push_str(&format!(" with {}", quoted(image)));
                }
            }
            line
        }
        // The background sentences are the same everywhere, and many.
        Effect::Embed { texts, purpose: _ } => {
            let shown: Vec<String> = texts.iter().take(5).map(|it| quoted(it)).collect();
            format!("embed {} texts: {}, …", texts.len(), shown.join(", "))
        }
        Effect::Search { .. }
        | Effect::Query { .. }
        | Effect::CallTool { .. }
        | Effect::RunWorkflow { .. }
        | Effect::Fetch(_)
        | Effect::ParseDocument { .. }
        | Effect::AskHuman(_)
        | Effect::Wait { .. }
        | Effect::WaitUntil { .. }
        | Effect::Recall(_) => serde_json::to_string(effect).unwrap(),
    }
}
