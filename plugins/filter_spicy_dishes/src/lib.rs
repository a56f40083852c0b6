//! `filter_spicy_dishes`: keeps dishes by how spicy they are, and says of each why.
//!
//! A level comes from the record's own field when it has one that can be read, else from words in the record's texts,
//! Chinese or English (`words.rs`). `level.rs` knows the scale.

mod level;
mod words;

use parlour_plugin_sdk::plugin;

/// Keeps dishes by spice level. It reads a level field as well as words such as 微辣, 特辣, mild or very hot, and says why
/// each dish was kept or left out.
#[plugin(
    id = "filter_spicy_dishes",
    title(en = "Filter spicy dishes", zh = "按辣度筛选菜品"),
    zh = "按辣度筛选菜品：既能读取辣度字段，也能识别文字里的微辣、特辣、mild、very hot 等说法，并说明每道菜保留或排除的原因。",
    icon = "icon.svg"
)]
mod menu {
    use parlour_plugin_sdk::prelude::*;
    use parlour_plugin_sdk::serde_json::Map;

    use crate::level::{self, MAX_LEVEL};
    use crate::words;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Filter {
        /// The dishes, for example the hits of a knowledge base query
        #[zh("菜品列表，例如知识库查询的结果")]
        pub(crate) dishes: Vec<Map<String, Value>>,
        /// Keep dishes at least this spicy: 0 not spicy, 1 mild, 2 medium, 3 very spicy, 4 extreme, 5 the hottest. With
        /// neither limit given, every dish that is spicy at all is kept
        #[zh(
            "保留辣度不低于该级的菜：0 不辣、1 微辣、2 中辣、3 特辣、4 爆辣、5 变态辣。上下限都不填时，保留所有带辣味的菜"
        )]
        #[schemars(range(min = 0, max = 5))]
        pub(crate) min_level: Option<u8>,
        /// Keep dishes at most this spicy; 0 keeps what is not spicy at all
        #[zh("保留辣度不高于该级的菜；0 表示只要完全不辣的")]
        #[schemars(range(min = 0, max = 5))]
        pub(crate) max_level: Option<u8>,
        /// The field that holds a dish's level, as a number or a word
        #[zh("存放辣度的字段名，值可以是数字或文字")]
        #[serde(default = "default_level_field")]
        pub(crate) level_field: String,
    }

    fn default_level_field() -> String {
        "spice_level".to_owned()
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Filtered {
        /// The dishes that were kept, each unchanged and with `spice`
        #[zh("保留下来的菜品，内容不变，另加 `spice`")]
        pub(crate) dishes: Vec<Kept>,
        /// The dishes that were left out, and why
        #[zh("被排除的菜品及原因")]
        pub(crate) dropped: Vec<Dropped>,
        /// One sentence about the whole
        #[zh("一句话概括")]
        pub(crate) summary: Text,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Kept {
        #[serde(flatten)]
        pub(crate) dish: Map<String, Value>,
        pub(crate) spice: Spice,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Spice {
        /// 0 not spicy to 5 the hottest
        #[zh("0 不辣 … 5 变态辣")]
        #[schemars(range(min = 0, max = 5))]
        pub(crate) level: u8,
        /// Where the level comes from
        #[zh("辣度的来源：field 字段、text 文字、none 没有依据")]
        pub(crate) source: Source,
        /// Why the dish was kept
        #[zh("保留的原因")]
        pub(crate) reason: Text,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Source {
        Field,
        Text,
        None,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Dropped {
        /// The dish's name, or its place in the list
        #[zh("菜名；没有菜名时为序号")]
        pub(crate) name: String,
        pub(crate) reason: Text,
    }

    /// Keeps the dishes within a range of spice levels and says why each was kept or left out.
    #[tool(
        title(en = "Filter spicy dishes", zh = "按辣度筛选菜品"),
        zh = "保留辣度在指定范围内的菜品，并说明每道菜保留或排除的原因。"
    )]
    #[example(
        title(en = "At least medium", zh = "至少中辣"),
        input = {
            "dishes": [{"name": "水煮鱼", "spice_level": 3}, {"name": "微辣鸡丁"}, {"name": "白灼虾", "spice_level": 0}],
            "min_level": 2
        },
        output = {
            "dishes": [{
                "name": "水煮鱼", "spice_level": 3,
                "spice": {
                    "level": 3, "source": "field",
                    "reason": {
                        "en": "`spice_level` is 3: level 3 (very spicy), at least 2.",
                        "zh": "`spice_level` 为 3：3 级（特辣），不低于 2 级。"
                    }
                }
            }],
            "dropped": [
                {"name": "微辣鸡丁", "reason": {
                    "en": "`name` says “微辣”: level 1 (mild), below 2.",
                    "zh": "`name` 写有“微辣”：1 级（微辣），低于 2 级。"
                }},
                {"name": "白灼虾", "reason": {
                    "en": "`spice_level` is 0: level 0 (not spicy), below 2.",
                    "zh": "`spice_level` 为 0：0 级（不辣），低于 2 级。"
                }}
            ],
            "summary": {"en": "1 of 3 dishes has a spice level of at least 2.", "zh": "3 道菜中有 1 道辣度不低于 2 级。"}
        }
    )]
    fn filter_spicy_dishes(input: Filter) -> Result<Filtered> {
        let range = Range::checked(input.min_level, input.max_level)?;
        let total = input.dishes.len();
        let (mut dishes, mut dropped) = (Vec::new(), Vec::new());
        for (index, dish) in input.dishes.into_iter().enumerate() {
            let (level, source, evidence) = spice_of(&dish, &input.level_field);
            let reason = range.reason(level, &evidence);
            if range.contains(level) {
                dishes.push(Kept { dish, spice: Spice { level, source, reason } });
            } else {
                dropped.push(Dropped { name: name_of(&dish, index), reason });
            }
        }
        let summary = range.summary(dishes.len(), total);
        Ok(Filtered { dishes, dropped, summary })
    }

    /// Which levels are kept, both ends included.
    pub(crate) struct Range {
        min: Option<u8>,
        max: Option<u8>,
    }

    impl Range {
        fn checked(min: Option<u8>, max: Option<u8>) -> Result<Self> {
            let mut problems = Vec::new();
            for (name, limit) in [("min_level", min), ("max_level", max)] {
                if let Some(limit) = limit.filter(|limit| *limit > MAX_LEVEL) {
                    problems.push(format!("`{name}` is {limit}; levels go from 0 to {MAX_LEVEL}"));
                }
            }
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                problems.push(format!("`min_level` {min} is above `max_level` {max}; no dish can be both"));
            }
            if !problems.is_empty() {
                return Err(Error::InvalidInput(problems.join("; ")));
            }
            // "Filter spicy dishes" without a limit means: the spicy ones.
            Ok(if min.is_none() && max.is_none() { Self { min: Some(1), max } } else { Self { min, max } })
        }

        fn contains(&self, level: u8) -> bool {
            self.min.is_none_or(|min| level >= min) && self.max.is_none_or(|max| level <= max)
        }

        fn reason(&self, level: u8, evidence: &Text) -> Text {
            let name = level::name(level);
            let verdict = match (self.min, self.max) {
                (Some(min), _) if level < min => Text::new(format!("below {min}"), format!("低于 {min} 级")),
                (_, Some(max)) if level > max => Text::new(format!("above {max}"), format!("高于 {max} 级")),
                (Some(min), Some(max)) if min == max => Text::new("as asked for", "符合要求"),
                (Some(min), Some(max)) => Text::new(format!("within {min} to {max}"), format!("在 {min}–{max} 级之间")),
                (Some(min), None) => Text::new(format!("at least {min}"), format!("不低于 {min} 级")),
                (None, Some(max)) => Text::new(format!("at most {max}"), format!("不高于 {max} 级")),
                (None, None) => Text::new("kept", "保留"),
            };
            Text::new(
                format!("{}: level {level} ({}), {}.", evidence.en, name.en, verdict.en),
                format!("{}：{level} 级（{}），{}。", evidence.zh, name.zh, verdict.zh),
            )
        }

        fn summary(&self, kept: usize, total: usize) -> Text {
            let wanted = match (self.min, self.max) {
                (Some(min), Some(max)) if min == max => Text::new(format!("of {min}"), format!("为 {min} 级")),
                (Some(min), Some(max)) => Text::new(format!("of {min} to {max}"), format!("在 {min}–{max} 级之间")),
                (Some(min), None) => Text::new(format!("of at least {min}"), format!("不低于 {min} 级")),
                (None, Some(max)) => Text::new(format!("of at most {max}"), format!("不高于 {max} 级")),
                (None, None) => Text::new("of any kind", "不限"),
            };
            let (dishes, has) = (if total == 1 { "dish" } else { "dishes" }, if kept == 1 { "has" } else { "have" });
            Text::new(
                format!("{kept} of {total} {dishes} {has} a spice level {}.", wanted.en),
                format!("{total} 道菜中有 {kept} 道辣度{}。", wanted.zh),
            )
        }
    }

    /// The dish's level, where it comes from, and the evidence in words.
    fn spice_of(dish: &Map<String, Value>, level_field: &str) -> (u8, Source, Text) {
        if let Some((level, shown)) = dish.get(level_field).and_then(level::of_value) {
            let evidence = Text::new(format!("`{level_field}` is {shown}"), format!("`{level_field}` 为 {shown}"));
            return (level, Source::Field, evidence);
        }
        if let Some(found) = words::find(dish) {
            let words::Found { level, word, field } = found;
            let evidence = Text::new(format!("`{field}` says “{word}”"), format!("`{field}` 写有“{word}”"));
            return (level, Source::Text, evidence);
        }
        (0, Source::None, Text::new("nothing in the record says it is spicy", "记录中没有任何辣味说明"))
    }

    fn name_of(dish: &Map<String, Value>, index: usize) -> String {
        let name = words::NAME_FIELDS.iter().find_map(|field| dish.get(*field).and_then(Value::as_str));
        name.map(str::trim).filter(|name| !name.is_empty()).map_or_else(|| format!("#{}", index + 1), str::to_owned)
    }
}

#[cfg(test)]
mod tests;
