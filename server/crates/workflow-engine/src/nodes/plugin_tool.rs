//! `use: plugin` or `use: plugin/tool`: calls a tool of a plugin in its sandbox. `with` is the tool's arguments.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError};
use crate::node::{Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only};

const EXAMPLE: &str = r#"workflow: spicy_dishes
inputs: { question: string }
nodes:
  menu: { use: query_knowledge_base, with: { knowledge_base: menu, query: "{{ inputs.question }}" } }
  spicy: { use: filter_spicy_dishes, with: { dishes: "{{ menu.hits }}", min_level: 2 } }
outputs: { dishes: "{{ spicy.dishes }}" }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "plugin_tool",
    title: Words { en: "Plugin tool", zh: "插件工具" },
    summary: Words {
        en: "Calls a tool of a plugin: `use: plugin/tool`, its arguments in `with`.",
        zh: "调用插件的工具：`use: 插件/工具`，参数写在 `with` 里。",
    },
    config,
    outputs,
    ports: done_only,
    streams: false,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    json!({ "type": "object", "description": "The arguments of the tool · 工具的参数", "additionalProperties": true })
}

fn outputs() -> Value {
    json!({ "type": "object", "description": "What the tool returns · 工具的返回值", "additionalProperties": true })
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let tool = context.context.catalog.tools.get(context.use_name)?.clone();
    let schema = if tool.input.is_object() { tool.input } else { config() };
    if !context.check(|| schema, crate::schema::ARGUMENTS) {
        return None;
    }
    // The plugin that searches knowledge names its base in an argument; a misspelt one is better found here.
    if let Some(base) = context.get("knowledge_base")
        && let Some(name) = base.as_str().filter(|it| !crate::template::has_expression(it))
    {
        super::retrieve::check_base(context, name, base.span);
    }
    let outputs = if tool.output.is_object() { tool.output } else { outputs() };
    Some(Built {
        behaviour: Box::new(PluginTool { plugin: tool.plugin, tool: tool.tool }),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs,
        streams: false,
        acts: true,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct PluginTool {
    plugin: String,
    tool: String,
}

impl Behaviour for PluginTool {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        // A reference to something that was skipped leaves the argument out rather than passing null.
        let given = input.as_object().into_iter().flatten().filter(|(_, it)| !it.is_null());
        let arguments = Value::Object(given.map(|(name, it)| (name.clone(), it.clone())).collect());
        Ok(Next::ask(Effect::CallTool { plugin: self.plugin.clone(), tool: self.tool.clone(), arguments }))
    }

    fn plugin(&self) -> Option<&str> {
        Some(&self.plugin)
    }
}
