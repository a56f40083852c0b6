//! What a tenant has granted to a plugin. A plugin may do what its manifest asks for *and* its tenant has granted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::capabilities::http::HostPattern;
use crate::capabilities::knowledge::EVERY_BASE;
use crate::limits::LowerLimits;
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
    /// What one call may use, where that is less than the operator allows.
    #[serde(skip_serializing_if = "LowerLimits::is_empty")]
    pub limits: LowerLimits,
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
            limits: LowerLimits::default(),
        }
    }

    /// As people write permissions.
    fn in_words(&self) -> Vec<String> {
        let named = [("knowledge", &self.knowledge), ("http", &self.http), ("model", &self.model)];
        let named = named.into_iter().flat_map(|(kind, names)| names.iter().map(move |it| format!("{kind}: {it}")));
        named.chain(self.storage.then(|| "storage".to_owned())).collect()
    }

    /// What of it the manifest does not ask for.
    fn unasked(&self, permissions: &Permissions) -> Grants {
        let Permissions { knowledge, http, model, storage } = permissions;
        let mut unasked = self.clone();
        unasked.knowledge.retain(|name| !knowledge.iter().any(|it| it.name == EVERY_BASE || it.name == *name));
        unasked.http.retain(|name| !http.iter().any(|it| HostPattern::covers(&it.host, name)));
        unasked.model.retain(|name| !model.iter().any(|it| it.roles.contains(name)));
        unasked.storage &= storage.is_none();
        unasked
    }

    /// What of it the manifest does not ask for, as people write permissions.
    #[must_use]
    pub fn beyond(&self, permissions: &Permissions) -> Vec<String> {
        self.unasked(permissions).in_words()
    }

    /// The part of it that the manifest asks for: what stays when a new version asks for less.
    #[must_use]
    pub fn within(&self, permissions: &Permissions) -> Grants {
        let (model_tokens, limits) = (self.model_tokens, self.limits.clone());
        Grants { model_tokens, limits, ..self.minus(&self.unasked(permissions)) }
    }

    /// What stays of it when a plugin that asked for `before` comes in a version that asks for `now`. What asks for more under
    /// the same name, for example another method at a host, has to be granted anew.
    #[must_use]
    pub fn after_update(&self, before: &Permissions, now: &Permissions) -> Grants {
        let mut kept = self.within(now);
        let methods = |permissions: &Permissions, host: &str| {
            let asked = permissions.http.iter().filter(|it| HostPattern::covers(&it.host, host));
            asked.flat_map(|it| it.methods.iter().cloned()).collect::<BTreeSet<String>>()
        };
        kept.http.retain(|host| methods(now, host).is_subset(&methods(before, host)));
        let tokens = |permissions: &Permissions| permissions.model.as_ref().map_or(0, |it| it.max_tokens_per_call);
        if kept.model_tokens.is_none() && !kept.model.is_empty() && tokens(now) > tokens(before) {
            kept.model_tokens = Some(tokens(before));
        }
        let bytes = |permissions: &Permissions| permissions.storage.as_ref().map_or(0, |it| it.max_bytes);
        kept.storage &= bytes(now) <= bytes(before);
        kept
    }

    /// What of it `other` does not have.
    #[must_use]
    pub fn minus(&self, other: &Grants) -> Grants {
        let rest = |mine: &BTreeSet<String>, theirs: &BTreeSet<String>| mine.difference(theirs).cloned().collect();
        Grants {
            knowledge: rest(&self.knowledge, &other.knowledge),
            http: rest(&self.http, &other.http),
            model: rest(&self.model, &other.model),
            model_tokens: None,
            storage: self.storage && !other.storage,
            limits: LowerLimits::default(),
        }
    }

    /// Both together, with the limits of this one.
    #[must_use]
    pub fn and(mut self, other: Grants) -> Grants {
        let Grants { knowledge, http, model, model_tokens, storage, limits: _ } = other;
        self.knowledge.extend(knowledge);
        self.http.extend(http);
        self.model.extend(model);
        self.model_tokens = self.model_tokens.or(model_tokens);
        self.storage |= storage;
        self
    }

    /// What of it `granted` does not allow, as people write permissions.
    #[must_use]
    pub fn without(&self, granted: &Grants) -> Vec<String> {
        let mut missing = self.minus(granted);
        let kinds = [
            (&mut missing.knowledge, &granted.knowledge),
            (&mut missing.http, &granted.http),
            (&mut missing.model, &granted.model),
        ];
        for (names, granted) in kinds {
            if granted.contains(EVERY_BASE) {
                names.clear();
            }
        }
        missing.in_words()
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
    fn a_version_that_asks_for_more_is_granted_anew() {
        let before = permissions();
        let reason = json!({ "en": "a", "zh": "a" });
        let now: Permissions = serde_json::from_value(json!({
            "knowledge": [{ "name": "menu", "reason": reason }, { "name": "staff", "reason": reason }],
            "http": [{ "host": "api.example.com", "methods": ["GET", "DELETE"], "reason": reason },
                     { "host": "*.example.org", "methods": ["POST"], "reason": reason }],
            "model": { "roles": ["fast"], "max_tokens_per_call": 900, "reason": reason },
            "storage": { "max_bytes": 10, "reason": reason },
        }))
        .expect("permissions");
        let kept = Grants::all_of(&before).after_update(&before, &now);
        assert_eq!(
            kept,
            grants(json!({ "knowledge": ["menu"], "http": ["*.example.org"], "model": ["fast"], "model_tokens": 100 }))
        );
        assert_eq!(Grants::all_of(&now).after_update(&now, &now), Grants::all_of(&now), "nothing new, nothing lost");
        let all = kept.clone().and(Grants::all_of(&now));
        assert_eq!((all.storage, all.model_tokens), (true, Some(100)));
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
