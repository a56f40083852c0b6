//! What a tenant has granted to a plugin. A plugin may do what its manifest asks for *and* its tenant has granted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::capabilities::http::HostPattern;
use crate::capabilities::knowledge::EVERY_BASE;
use crate::manifest::Permissions;

/// One that cannot be read grants nothing: the plugin does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Names of knowledge bases, or `*` for all of them.
    pub knowledge: BTreeSet<String>,
    /// Hosts, as the manifest writes them, or fewer of them.
    pub http: BTreeSet<String>,
    /// Roles of models.
    pub model: BTreeSet<String>,
    /// Tokens of one call, input and output together; none for as many as the manifest asks for.
    pub model_tokens: Option<u64>,
    pub storage: bool,
}

impl Grants {
    /// Everything that a manifest asks for.
    #[must_use]
    pub fn all_of(permissions: &Permissions) -> Grants {
        let Permissions { knowledge, http, model, storage } = permissions;
        Grants {
            knowledge: knowledge.iter().map(|it| it.name.clone()).collect(),
            http: http.iter().map(|it| it.host.clone()).collect(),
            model: model.iter().flat_map(|it| it.roles.iter().cloned()).collect(),
            model_tokens: None,
            storage: storage.is_some(),
        }
    }

    /// What of it the manifest does not ask for, as people write permissions.
    #[must_use]
    pub fn beyond(&self, permissions: &Permissions) -> Vec<String> {
        let Permissions { knowledge, http, model, storage } = permissions;
        let bases =
            self.knowledge.iter().filter(|name| !knowledge.iter().any(|it| it.name == EVERY_BASE || it.name == **name));
        let hosts = self.http.iter().filter(|name| !http.iter().any(|it| HostPattern::covers(&it.host, name)));
        let roles = self.model.iter().filter(|name| !model.iter().any(|it| it.roles.contains(name)));
        let mut beyond: Vec<String> = bases.map(|it| format!("knowledge: {it}")).collect();
        beyond.extend(hosts.map(|it| format!("http: {it}")));
        beyond.extend(roles.map(|it| format!("model: {it}")));
        if self.storage && storage.is_none() {
            beyond.push("storage".to_owned());
        }
        beyond
    }

    /// What of it `granted` does not have, as people write permissions.
    #[must_use]
    pub fn without(&self, granted: &Grants) -> Vec<String> {
        let missing = |kind: &str, wanted: &BTreeSet<String>, there: &BTreeSet<String>| {
            let all = there.contains(EVERY_BASE);
            wanted
                .iter()
                .filter(|it| !all && !there.contains(*it))
                .map(|it| format!("{kind}: {it}"))
                .collect::<Vec<_>>()
        };
        let mut missing_all = missing("knowledge", &self.knowledge, &granted.knowledge);
        missing_all.extend(missing("http", &self.http, &granted.http));
        missing_all.extend(missing("model", &self.model, &granted.model));
        if self.storage && !granted.storage {
            missing_all.push("storage".to_owned());
        }
        missing_all
    }

    /// The part of it that the manifest asks for: what stays when a new version asks for less.
    #[must_use]
    pub fn within(&self, permissions: &Permissions) -> Grants {
        let beyond = self.beyond(permissions);
        let kept = |kind: &str, names: &BTreeSet<String>| {
            names.iter().filter(|it| !beyond.contains(&format!("{kind}: {it}"))).cloned().collect()
        };
        Grants {
            knowledge: kept("knowledge", &self.knowledge),
            http: kept("http", &self.http),
            model: kept("model", &self.model),
            model_tokens: self.model_tokens,
            storage: self.storage && permissions.storage.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permissions() -> Permissions {
        let reason = json!({ "en": "a", "zh": "a" });
        serde_json::from_value(json!({
            "knowledge": [{ "name": "menu", "reason": reason }],
            "http": [{ "host": "api.example.com", "reason": reason }, { "host": "*.example.org", "methods": ["POST"], "reason": reason }],
            "model": { "roles": ["fast"], "max_tokens_per_call": 100, "reason": reason },
        }))
        .expect("permissions")
    }

    fn grants(value: serde_json::Value) -> Grants {
        serde_json::from_value(value).expect("grants")
    }

    #[test]
    fn what_was_not_asked_for_is_told_and_taken_away() {
        let asked = permissions();
        assert_eq!(Grants::all_of(&asked).beyond(&asked), Vec::<String>::new());
        let more = grants(json!({
            "knowledge": ["menu", "staff"], "http": ["api.example.com", "a.example.org", "example.net"], "model": ["fast", "default"],
            "storage": true,
        }));
        assert_eq!(more.beyond(&asked), ["knowledge: staff", "http: example.net", "model: default", "storage"]);
        let within = more.within(&asked);
        assert_eq!(within.beyond(&asked), Vec::<String>::new());
        assert_eq!(
            within,
            grants(json!({ "knowledge": ["menu"], "http": ["api.example.com", "a.example.org"], "model": ["fast"] }))
        );
        assert!(
            serde_json::from_value::<Grants>(json!({ "knowlege": [] })).is_err(),
            "a misspelt grant is not ignored"
        );
    }
}
