//! The plugin `plugin_name`. `parlour plugin test` runs its tests, and its examples in the sandbox.

use parlour_plugin_sdk::plugin;

/// Helps at the end of a meal.
#[plugin(
    id = "plugin_name",
    title(en = "Plugin name", zh = "Plugin name"),
    zh = "结账时的小帮手。",
    icon = "icon.svg"
)]
mod tools {
    use parlour_plugin_sdk::prelude::*;

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Shares {
        /// What each guest pays
        #[zh("每人应付")]
        pub(crate) each: u64,
        /// What cannot be split evenly
        #[zh("分不匀的余数")]
        pub(crate) left_over: u64,
    }

    /// Splits a bill evenly among guests. Amounts are in the smallest coin, for example cents.
    #[tool(
        title(en = "Split a bill", zh = "平分账单"),
        zh = "把账单平分给客人，金额以最小单位（例如分）计。"
    )]
    #[example(
        title(en = "Three guests", zh = "三位客人"),
        input = {"total": 10000, "guests": 3},
        output = {"each": 3333, "left_over": 1}
    )]
    fn split_bill(
        /** What the meal cost */
        #[zh("这餐的总价")]
        total: u64,
        /** How many pay */
        #[zh("几个人付")]
        guests: u64,
    ) -> Result<Shares> {
        if guests == 0 {
            return Err(Error::invalid_input("`guests` is 0; somebody has to pay"));
        }
        log::debug(format!("splitting {total} among {guests}"));
        Ok(Shares {
            each: total / guests,
            left_over: total % guests,
        })
    }
}

#[cfg(test)]
mod tests {
    use parlour_plugin_sdk::testing::FakeHost;
    use parlour_plugin_sdk::{Error, json};

    use crate::tools::Plugin;

    #[test]
    fn the_examples_are_true() {
        FakeHost::new().check_examples::<Plugin>();
    }

    #[test]
    fn somebody_has_to_pay() {
        let answer =
            FakeHost::new().call::<Plugin>("split_bill", json!({"total": 100, "guests": 0}));
        assert!(matches!(answer, Err(Error::InvalidInput(_))), "{answer:?}");
    }
}
