//! Over knowledge bases, SQL is compared with what it means; databases are asked as their documentation says.

mod refusals;
mod services;
mod tables;

use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Result, Value, json};

use crate::sql::Plugin;

fn query(host: &FakeHost, input: Value) -> Result<Value> {
    let answer = host.call::<Plugin>("query", input);
    host.assert_secrets_kept();
    answer
}

fn invalid(answer: Result<Value>) -> String {
    match answer {
        Err(Error::InvalidInput(text)) => text,
        other => panic!("it should be invalid input: {other:?}"),
    }
}

/// The rows as arrays, in the order of the columns.
fn values(answer: &Value) -> Value {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        answer["columns"].as_array().unwrap().iter().map(|it| row[it.as_str().unwrap()].clone()).collect::<Value>()
    })
    .collect()
}

#[test]
fn a_limit_has_its_range() {
    for limit in [0, 1001] {
        let told = invalid(query(&FakeHost::new(), json!({"sql": "SELECT 1 FROM t", "limit": limit})));
        assert!(told.contains("1 to 1000"), "{told}");
    }
}
