//! Each service is told as its documentation says, and its refusals become errors of their kind.

use parlour_plugin_sdk::manifest::Effects;
use parlour_plugin_sdk::testing::{FakeHost, Reply};
use parlour_plugin_sdk::{Error, Plugin as _, Result, Value, json};

use crate::notify::Plugin;

const WECOM: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=";
const DINGTALK: &str = "https://oapi.dingtalk.com/robot/send?access_token=";
const FEISHU: &str = "https://open.feishu.cn/open-apis/bot/v2/hook/abc";

fn call(host: &FakeHost, tool: &str, input: Value) -> Result<Value> {
    let answer = host.call::<Plugin>(tool, input);
    host.assert_secrets_kept();
    answer
}

fn wecom(answer: Value) -> FakeHost {
    FakeHost::new().secret("wecom_key", "wecom-s3cret").http("POST", WECOM, Reply::json(answer))
}

fn dingtalk(answer: Value) -> FakeHost {
    FakeHost::new().secret("dingtalk_token", "ding-s3cret").http("POST", DINGTALK, Reply::json(answer))
}

fn feishu(reply: Reply) -> FakeHost {
    FakeHost::new().config("feishu_url", FEISHU).http("POST", FEISHU, reply)
}

fn body(host: &FakeHost) -> Value {
    host.requests().last().unwrap().json()
}

#[test]
fn wecom_is_told_in_text_and_markdown() {
    let host = wecom(json!({"errcode": 0, "errmsg": "ok"}));
    let sent = call(&host, "wecom", json!({"text": "好了", "mention": ["zhangsan"], "mention_all": true}));
    assert_eq!(sent, Ok(json!({"messages": 1})));
    assert_eq!(host.requests()[0].query("key").as_deref(), Some("wecom-s3cret"));
    assert_eq!(
        body(&host),
        json!({"msgtype": "text", "text": {"content": "好了", "mentioned_list": ["zhangsan", "@all"]}})
    );
    call(&host, "wecom", json!({"text": "**好**", "format": "markdown", "mention": ["a", "b"]})).unwrap();
    assert_eq!(body(&host), json!({"msgtype": "markdown", "markdown": {"content": "**好**\n<@a><@b>"}}));
    let refused = call(&host, "wecom", json!({"text": "x", "format": "markdown", "mention_all": true})).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(text) if text.contains("texts only")));
}

#[test]
fn long_messages_are_sent_in_parts() {
    let host = wecom(json!({"errcode": 0}));
    let line = format!("{}\n", "长".repeat(300));
    let sent = call(&host, "wecom", json!({"text": line.repeat(4), "mention": ["zhangsan"]}));
    assert_eq!(sent, Ok(json!({"messages": 2})));
    let parts: Vec<Value> = host.requests().iter().map(|sent| sent.json()["text"].clone()).collect();
    assert_eq!(parts[0]["mentioned_list"], json!([]));
    assert_eq!(parts[1]["mentioned_list"], json!(["zhangsan"]), "people are mentioned once");
    assert!(parts.iter().all(|part| part["content"].as_str().unwrap().len() <= 2048));
    let refused = call(&host, "wecom", json!({"text": line.repeat(20)})).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(text) if text.contains("at most 5 messages")));
    let host = FakeHost::new()
        .secret("wecom_key", "wecom-s3cret")
        .http("POST", WECOM, Reply::json(json!({"errcode": 0})))
        .http("POST", WECOM, Reply::json(json!({"errcode": 45009, "errmsg": "api freq out of limit"})));
    let partly = call(&host, "wecom", json!({"text": line.repeat(4)})).unwrap_err();
    // Sending everything again would tell people the first part twice.
    assert_eq!(
        partly,
        Error::Failed("part 2 of 2 was not sent, those before it were: too many calls; wait 60 s".to_owned())
    );
}

#[test]
fn wecoms_refusals_become_errors() {
    let refused = |code: i64, words: &str| {
        call(&wecom(json!({"errcode": code, "errmsg": words})), "wecom", json!({"text": "x"})).unwrap_err()
    };
    let key = refused(
        93000,
        "invalid webhook url, hint: [1], from ip: 1.2.3.4, more info at https://open.work.weixin.qq.com",
    );
    assert!(
        matches!(&key, Error::Denied(text) if text.starts_with("WeCom answered 93000: invalid webhook url; the setting `wecom_key`")),
        "{key:?}"
    );
    assert_eq!(refused(45009, "api freq out of limit"), Error::RateLimited(Some(60)));
    assert!(matches!(refused(40058, "invalid Request Parameter"), Error::InvalidInput(_)));
    assert!(matches!(refused(-1, "system busy"), Error::Unavailable(_)));
    assert!(matches!(refused(99999, "odd"), Error::Failed(text) if text == "WeCom answered 99999: odd"));
    let host = FakeHost::new().secret("wecom_key", "wecom-s3cret").http(
        "POST",
        WECOM,
        Reply::html("bad gateway").with_status(502),
    );
    assert!(matches!(call(&host, "wecom", json!({"text": "x"})), Err(Error::Unavailable(_))));
    let unset = call(&FakeHost::new(), "wecom", json!({"text": "x"})).unwrap_err();
    assert!(matches!(unset, Error::Failed(text) if text.contains("`wecom_key`")));
}

#[test]
fn dingtalk_is_told_with_mentions_and_a_signature() {
    let host = dingtalk(json!({"errcode": 0, "errmsg": "ok"}));
    call(&host, "dingtalk", json!({"text": "# 日报\n订单 120", "format": "markdown", "mention": ["u1"]})).unwrap();
    assert_eq!(
        body(&host),
        json!({
            "msgtype": "markdown", "markdown": {"title": "日报", "text": "# 日报\n订单 120 @u1"},
            "at": {"atUserIds": ["u1"], "isAtAll": false}
        })
    );
    let sent = &host.requests()[0];
    assert_eq!((sent.query("access_token").as_deref(), sent.query("sign")), (Some("ding-s3cret"), None));
    let host = host.config("dingtalk_signing_key", " SEC123 ");
    call(&host, "dingtalk", json!({"text": "x", "mention_all": true})).unwrap();
    let sent = host.requests().pop().unwrap();
    assert_eq!(sent.query("timestamp").as_deref(), Some("1767225600000"));
    let signature = crate::signing::dingtalk("SEC123", 1_767_225_600_000);
    assert_eq!((sent.query("sign"), signature.len()), (Some(signature), 44));
    assert_eq!(sent.json()["at"], json!({"atUserIds": [], "isAtAll": true}));
}

#[test]
fn dingtalks_refusals_become_errors() {
    let refused = |code: i64, words: &str| {
        call(&dingtalk(json!({"errcode": code, "errmsg": words})), "dingtalk", json!({"text": "x"})).unwrap_err()
    };
    let keyword = refused(310000, "关键词不匹配");
    assert!(
        matches!(&keyword, Error::Denied(text) if text.contains("关键词不匹配") && text.contains("dingtalk_signing_key"))
    );
    assert!(matches!(refused(300001, "token is not exist"), Error::Denied(text) if text.contains("`dingtalk_token`")));
    assert_eq!(refused(130101, "send too fast"), Error::RateLimited(Some(60)));
    assert!(matches!(refused(430102, "不合适的文本"), Error::InvalidInput(_)));
    assert!(matches!(refused(1, "?"), Error::Failed(_)));
}

#[test]
fn feishu_is_told_by_text_and_card() {
    let host = feishu(Reply::json(json!({"code": 0, "msg": "success", "data": {}})));
    call(&host, "feishu", json!({"text": "好了", "mention": ["ou_1"], "mention_all": true})).unwrap();
    let expected = "好了 <at user_id=\"ou_1\"></at> <at user_id=\"all\"></at>";
    assert_eq!(body(&host), json!({"msg_type": "text", "content": {"text": expected}}));
    let host = host.config("feishu_signing_key", "key");
    call(&host, "feishu", json!({"text": "**好**", "title": "告警", "format": "markdown"})).unwrap();
    let sent = body(&host);
    assert_eq!(sent["card"]["header"]["title"]["content"], "告警");
    assert_eq!(sent["card"]["elements"], json!([{"tag": "markdown", "content": "**好**"}]));
    assert_eq!(
        (&sent["timestamp"], &sent["sign"]),
        (&json!("1767225600"), &json!(crate::signing::feishu("key", 1_767_225_600)))
    );
}

#[test]
fn feishus_refusals_become_errors() {
    let refused = |reply: Reply| call(&feishu(reply), "feishu", json!({"text": "x"})).unwrap_err();
    let code = |code: i64, words: &str| refused(Reply::json(json!({"code": code, "msg": words})));
    // The words count even where the status says less.
    let token = refused(
        Reply::json(json!({"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}))
            .with_status(400),
    );
    assert!(matches!(&token, Error::Denied(text) if text.contains("access token invalid")), "{token:?}");
    assert!(
        matches!(code(19021, "sign match fail or timestamp is not within one hour from current time"), Error::Denied(text) if text.contains("feishu_signing_key"))
    );
    assert!(matches!(code(19024, "Key Words Not Found"), Error::Denied(_)));
    assert_eq!(code(11232, "frequency limited psm"), Error::RateLimited(Some(60)));
    assert!(matches!(code(9499, "Bad Request"), Error::InvalidInput(_)));
    let old = feishu(Reply::json(json!({"StatusCode": 0, "StatusMessage": "success"})));
    assert!(call(&old, "feishu", json!({"text": "x"})).is_ok());
    for url in ["", "https://evil.example/open-apis/bot/v2/hook/x"] {
        let wrong = call(&FakeHost::new().config("feishu_url", url), "feishu", json!({"text": "x"})).unwrap_err();
        assert!(matches!(wrong, Error::Failed(text) if text.contains("`feishu_url`")));
    }
}

#[test]
fn a_webhook_gets_json_and_its_answer_is_given() {
    let url = "https://hooks.example.com/in/1";
    let host = FakeHost::new().config("webhook_url", url).secret("webhook_token", "hook-s3cret");
    let json_host = host.clone().http("POST", url, Reply::json(json!({"ok": true})).with_status(201));
    let answer = call(&json_host, "webhook", json!({"text": "low", "data": {"left": 3}})).unwrap();
    assert_eq!(answer, json!({"status": 201, "answer": {"ok": true}}));
    let sent = &json_host.requests()[0];
    assert_eq!(
        (sent.json(), sent.header("authorization")),
        (json!({"left": 3, "text": "low"}), Some("Bearer hook-s3cret"))
    );
    let text_host = FakeHost::new().config("webhook_url", url).http("POST", url, Reply::text("ok"));
    assert_eq!(call(&text_host, "webhook", json!({"text": "low"})), Ok(json!({"status": 200, "answer": "ok"})));
    assert_eq!(text_host.requests()[0].header("authorization"), None);
    for (input, words) in [(json!({}), "nothing to send"), (json!({"text": "a", "data": {"text": "b"}}), "twice")] {
        assert!(matches!(call(&text_host, "webhook", input), Err(Error::InvalidInput(text)) if text.contains(words)));
    }
    assert!(matches!(call(&FakeHost::new(), "webhook", json!({"text": "a"})), Err(Error::Failed(_))));
}

fn mailer(provider: &str, url: &str, reply: Reply) -> FakeHost {
    let host = FakeHost::new().config("email_provider", provider).config("email_from", "Parlour <bot@example.com>");
    host.secret("email_key", "mail-s3cret").http("POST", url, reply)
}

fn mail() -> Value {
    json!({
        "to": ["李四 <li@example.com>", "b@example.com"], "cc": ["c@example.com"], "reply_to": "d@example.com",
        "subject": " 日报\n 三月 ", "text": "**120** 单", "format": "markdown"
    })
}

#[test]
fn mail_goes_out_by_resend() {
    let host = mailer("resend", "https://api.resend.com/emails", Reply::json(json!({"id": "49a3999c"})));
    assert_eq!(call(&host, "email", mail()), Ok(json!({"id": "49a3999c"})));
    assert_eq!(host.requests()[0].header("authorization"), Some("Bearer mail-s3cret"));
    assert_eq!(
        body(&host),
        json!({
            "from": "\"Parlour\" <bot@example.com>", "to": ["\"李四\" <li@example.com>", "b@example.com"], "cc": ["c@example.com"],
            "reply_to": "d@example.com", "subject": "日报 三月", "text": "**120** 单", "html": "<p><strong>120</strong> 单</p>\n"
        })
    );
    call(&host, "email", json!({"to": ["a@example.com"], "subject": "s", "text": "t"})).unwrap();
    assert_eq!(
        body(&host),
        json!({"from": "\"Parlour\" <bot@example.com>", "to": ["a@example.com"], "subject": "s", "text": "t"})
    );
    let refused = |status: u16, name: &str| {
        let reply = Reply::json(json!({"statusCode": status, "name": name, "message": "The domain is not verified"}))
            .with_status(status);
        call(&mailer("resend", "https://api.resend.com/emails", reply), "email", mail()).unwrap_err()
    };
    assert!(
        matches!(refused(403, "validation_error"), Error::Denied(text) if text.contains("not verified; see the plugin's settings"))
    );
    assert!(matches!(refused(422, "missing_required_field"), Error::InvalidInput(_)));
    assert_eq!(refused(429, "rate_limit_exceeded"), Error::RateLimited(None));
    assert!(matches!(refused(500, "application_error"), Error::Unavailable(_)));
}

#[test]
fn mail_goes_out_by_sendgrid() {
    let url = "https://api.sendgrid.com/v3/mail/send";
    let host = mailer("sendgrid", url, Reply::status(202).header("X-Message-Id", "m1"));
    assert_eq!(call(&host, "email", mail()), Ok(json!({"id": "m1"})));
    assert_eq!(
        body(&host),
        json!({
            "personalizations": [{"to": [{"email": "li@example.com", "name": "李四"}, {"email": "b@example.com"}], "cc": [{"email": "c@example.com"}]}],
            "from": {"email": "bot@example.com", "name": "Parlour"}, "subject": "日报 三月", "reply_to": {"email": "d@example.com"},
            "content": [{"type": "text/plain", "value": "**120** 单"}, {"type": "text/html", "value": "<p><strong>120</strong> 单</p>\n"}]
        })
    );
    let reply = Reply::json(json!({"errors": [{"message": "authorization required", "field": null}]})).with_status(401);
    let refused = call(&mailer("sendgrid", url, reply), "email", mail()).unwrap_err();
    assert!(
        matches!(&refused, Error::Denied(text) if text.contains("SendGrid answered 401: authorization required; see")),
        "{refused:?}"
    );
}

#[test]
fn wrong_mail_and_missing_settings_are_told_all_at_once() {
    let wrong = json!({"to": ["a", "b@example.com"], "cc": ["@"], "subject": " ", "text": ""});
    let Err(Error::InvalidInput(message)) = call(&FakeHost::new(), "email", wrong) else { panic!("it is wrong") };
    for part in ["`to` has `a`", "`cc` has `@`", "`subject` is empty", "`text` is empty"] {
        assert!(message.contains(part), "{message}");
    }
    let unset = call(&FakeHost::new().config("email_provider", "resend"), "email", mail()).unwrap_err();
    assert!(matches!(&unset, Error::Failed(text) if text.ends_with("settings `email_key`, `email_from`")), "{unset:?}");
    let many: Vec<String> = (0..51).map(|n| format!("a{n}@example.com")).collect();
    let refused = call(&FakeHost::new(), "email", json!({"to": many, "subject": "s", "text": "t"})).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(text) if text.contains("51 recipients")));
    let mention = call(&FakeHost::new(), "wecom", json!({"text": "", "mention": ["a>b"]})).unwrap_err();
    assert!(
        matches!(&mention, Error::InvalidInput(text) if text.contains("`text` is empty") && text.contains("`a>b`")),
        "{mention:?}"
    );
}

#[test]
fn every_tool_writes_and_is_not_repeated() {
    let manifest = Plugin::manifest();
    assert_eq!(manifest.tools.len(), 5);
    assert!(manifest.tools.iter().all(|tool| tool.effects == Effects::Writes && !tool.idempotent));
    let config = manifest.config.unwrap();
    let settings = config["properties"].as_object().unwrap();
    let secrets: Vec<&String> = settings.iter().filter(|(_, it)| it["secret"] == true).map(|(key, _)| key).collect();
    assert_eq!(secrets, ["wecom_key", "dingtalk_token", "webhook_token", "email_key"]);
}
