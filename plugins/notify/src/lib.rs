//! `notify`: tells people outside. One tool for each way; each file knows how its service wants to be told, and turns the
//! service's own error, which comes with status 200 and a number, into words and a kind.

mod dingtalk;
mod email;
mod feishu;
mod message;
mod signing;
mod webhook;
mod wecom;

use parlour_plugin_sdk::plugin;

/// Sends messages to group robots of WeCom, DingTalk and Feishu, to a webhook, and by e-mail.
#[plugin(
    id = "notify",
    title(en = "Notifications", zh = "消息通知"),
    zh = "向企业微信、钉钉、飞书群机器人发送消息，也可发送到 Webhook 或电子邮件。",
    icon = "icon.svg",
    config = Settings,
    http(
        host = "qyapi.weixin.qq.com",
        methods("POST"),
        en = "Sends messages to a group in WeCom.",
        zh = "向企业微信群发送消息。"
    ),
    http(
        host = "oapi.dingtalk.com",
        methods("POST"),
        en = "Sends messages to a group in DingTalk.",
        zh = "向钉钉群发送消息。"
    ),
    http(
        host = "open.feishu.cn",
        methods("POST"),
        en = "Sends messages to a group in Feishu.",
        zh = "向飞书群发送消息。"
    ),
    http(
        host = "open.larksuite.com",
        methods("POST"),
        en = "Sends messages to a group in Lark, which is Feishu abroad.",
        zh = "向 Lark（飞书国际版）群发送消息。"
    ),
    http(
        host = "config:webhook_url",
        methods("POST"),
        en = "Sends messages to your webhook, at the address in the settings.",
        zh = "向设置中填写的 Webhook 发送消息。"
    ),
    http(
        host = "api.resend.com",
        methods("POST"),
        en = "Sends e-mail by Resend, when that is the provider.",
        zh = "选用 Resend 时，用它发送邮件。"
    ),
    http(
        host = "api.sendgrid.com",
        methods("POST"),
        en = "Sends e-mail by SendGrid, when that is the provider.",
        zh = "选用 SendGrid 时，用它发送邮件。"
    )
)]
mod notify {
    use parlour_plugin_sdk::prelude::*;
    use parlour_plugin_sdk::serde_json::Map;

    use crate::email::{Mail, Provider};
    use crate::message::{Format, Message, Robot};
    use crate::{dingtalk, email, feishu, webhook, wecom};

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// WeCom: what follows `key=` in the group robot's address
        #[zh("企业微信：群机器人地址中 `key=` 之后的部分")]
        pub(crate) wecom_key: Option<Secret>,
        /// DingTalk: what follows `access_token=` in the group robot's address
        #[zh("钉钉：群机器人地址中 `access_token=` 之后的部分")]
        pub(crate) dingtalk_token: Option<Secret>,
        /// DingTalk: the robot's signing key, `SEC…`, if it asks for signatures
        #[zh("钉钉：机器人的加签密钥 `SEC…`，仅在开启加签时填写")]
        pub(crate) dingtalk_signing_key: Option<String>,
        /// Feishu or Lark: the group robot's whole address
        #[zh("飞书或 Lark：群机器人的完整地址")]
        pub(crate) feishu_url: Option<String>,
        /// Feishu: the robot's signing key, if it checks signatures
        #[zh("飞书：机器人的签名密钥，仅在开启签名校验时填写")]
        pub(crate) feishu_signing_key: Option<String>,
        /// Webhook: its address
        #[zh("Webhook 的地址")]
        pub(crate) webhook_url: Option<String>,
        /// Webhook: sent as `Authorization: Bearer …`
        #[zh("Webhook 的令牌，以 `Authorization: Bearer …` 发送")]
        pub(crate) webhook_token: Option<Secret>,
        /// E-mail: who sends it
        #[zh("电子邮件：发送服务")]
        pub(crate) email_provider: Option<Provider>,
        /// E-mail: the key of that service
        #[zh("电子邮件：该服务的密钥")]
        pub(crate) email_key: Option<Secret>,
        /// E-mail: the sender, `Name <name@example.com>`, of a domain that the service has verified
        #[zh("电子邮件：发件人，格式 `名称 <name@example.com>`，域名须已在该服务验证")]
        pub(crate) email_from: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct ToGroup {
        /// The message
        #[zh("消息内容")]
        #[schemars(length(min = 1))]
        pub(crate) text: String,
        /// How the message is written
        #[zh("消息格式：text 文本、markdown")]
        #[serde(default)]
        pub(crate) format: Format,
        /// Shown above a Markdown message, and in the list of chats
        #[zh("标题，显示在 Markdown 消息上方和会话列表里")]
        pub(crate) title: Option<String>,
        /// Ids of people to mention
        #[zh("要提醒的人的用户 ID")]
        #[serde(default)]
        pub(crate) mention: Vec<String>,
        /// Mention everybody in the group
        #[zh("是否提醒所有人")]
        #[serde(default)]
        pub(crate) mention_all: bool,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct ToWebhook {
        /// The message, sent as the member `text`
        #[zh("消息内容，放在 `text` 字段")]
        pub(crate) text: Option<String>,
        /// Further members of the JSON object that is sent
        #[zh("要发送的 JSON 对象里的其他字段")]
        #[serde(default)]
        pub(crate) data: Map<String, Value>,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct ToMail {
        /// Addresses, `name@example.com` or `Name <name@example.com>`
        #[zh("收件人，`name@example.com` 或 `名称 <name@example.com>`")]
        #[schemars(length(min = 1, max = 50))]
        pub(crate) to: Vec<String>,
        /// Who gets a copy
        #[zh("抄送")]
        #[serde(default)]
        pub(crate) cc: Vec<String>,
        /// Where answers go
        #[zh("回复地址")]
        pub(crate) reply_to: Option<String>,
        /// Subject line
        #[zh("主题")]
        pub(crate) subject: String,
        /// The message
        #[zh("邮件内容")]
        pub(crate) text: String,
        /// How the message is written; Markdown is sent as HTML with the plain text beside it
        #[zh("邮件格式：text 文本、markdown（以 HTML 发送，并附纯文本）")]
        #[serde(default)]
        pub(crate) format: Format,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Sent {
        /// How many messages it became: a long text is sent in parts
        #[zh("发出的消息条数；内容过长时会分条发送")]
        pub(crate) messages: usize,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct SentMail {
        /// The service's id of the mail
        #[zh("发送服务给出的邮件 ID")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) id: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Answered {
        pub(crate) status: u16,
        /// What the webhook answered: JSON, or a text of at most 10,000 characters
        #[zh("Webhook 的回答：JSON，或最多 10,000 字的文本")]
        pub(crate) answer: Value,
    }

    /// Sends a message to the group of a WeCom robot.
    #[tool(
        title(en = "To WeCom", zh = "发送到企业微信"),
        zh = "通过群机器人向企业微信群发送消息。",
        effects = "writes"
    )]
    #[example(title(en = "A text that mentions somebody", zh = "文本，并提醒某人"), input = {"text": "今天的订单已处理完毕。", "mention": ["zhangsan"]})]
    #[example(title(en = "Markdown", zh = "Markdown"), input = {"text": "**库存不足**\n> 商品：水煮鱼底料", "format": "markdown"})]
    fn wecom(input: ToGroup) -> Result<Sent> {
        let settings: Settings = config::read()?;
        let message = Message::checked(input, Robot::Wecom)?;
        wecom::send(&settings, &message).map(|messages| Sent { messages })
    }

    /// Sends a message to the group of a DingTalk robot.
    #[tool(title(en = "To DingTalk", zh = "发送到钉钉"), zh = "通过群机器人向钉钉群发送消息。", effects = "writes")]
    #[example(title(en = "Markdown with a title", zh = "带标题的 Markdown"), input = {"title": "日报", "text": "### 日报\n- 订单 120", "format": "markdown"})]
    fn dingtalk(input: ToGroup) -> Result<Sent> {
        let settings: Settings = config::read()?;
        let message = Message::checked(input, Robot::Dingtalk)?;
        dingtalk::send(&settings, &message).map(|messages| Sent { messages })
    }

    /// Sends a message to the group of a Feishu or Lark robot. Markdown is sent as a card.
    #[tool(
        title(en = "To Feishu", zh = "发送到飞书"),
        zh = "通过群机器人向飞书或 Lark 群发送消息；Markdown 以卡片发送。",
        effects = "writes"
    )]
    #[example(title(en = "A card", zh = "卡片"), input = {"title": "告警", "text": "**CPU** 超过 90%", "format": "markdown", "mention_all": true})]
    fn feishu(input: ToGroup) -> Result<Sent> {
        let settings: Settings = config::read()?;
        let message = Message::checked(input, Robot::Feishu)?;
        feishu::send(&settings, &message).map(|messages| Sent { messages })
    }

    /// Posts a JSON object to the webhook in the settings.
    #[tool(
        title(en = "To a webhook", zh = "发送到 Webhook"),
        zh = "向设置里的 Webhook 发送 JSON 对象。",
        effects = "writes"
    )]
    #[example(title(en = "As Slack takes it", zh = "Slack 的格式"), input = {"text": "Stock is low"})]
    #[example(title(en = "With further members", zh = "附带其他字段"), input = {"text": "Stock is low", "data": {"dish": "水煮鱼", "left": 3}})]
    fn webhook(input: ToWebhook) -> Result<Answered> {
        let settings: Settings = config::read()?;
        webhook::send(&settings, input)
    }

    /// Sends an e-mail by Resend or SendGrid.
    #[tool(title(en = "By e-mail", zh = "发送邮件"), zh = "通过 Resend 或 SendGrid 发送电子邮件。", effects = "writes")]
    #[example(
        title(en = "A report", zh = "报告"),
        input = {"to": ["李四 <li@example.com>"], "subject": "日报", "text": "## 昨天\n\n- 订单 **120**", "format": "markdown"}
    )]
    fn email(input: ToMail) -> Result<SentMail> {
        let settings: Settings = config::read()?;
        let mail = Mail::checked(input)?;
        email::send(&settings, &mail).map(|id| SentMail { id })
    }
}

#[cfg(test)]
mod tests;
