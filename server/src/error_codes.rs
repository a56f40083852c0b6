//! Every error that a client can see: one row each. A code never changes its meaning.

/// `name | code | status | English title | Chinese title`
macro_rules! error_codes {
    ($($name:ident | $code:literal | $status:literal | $en:literal | $zh:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode { $($name),* }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            pub fn code(self) -> &'static str {
                match self { $(ErrorCode::$name => $code),* }
            }
            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(ErrorCode::$name => $status),* }
            }
            pub fn title(self, chinese: bool) -> &'static str {
                match self { $(ErrorCode::$name => if chinese { $zh } else { $en }),* }
            }
        }
    };
}

error_codes! {
    NotAuthenticated     | "not_authenticated"      | 401 | "Sign in first"                              | "请先登录"
    WrongCredentials     | "wrong_credentials"      | 401 | "E-mail or password is wrong"                | "邮箱或密码不正确"
    LinkUsed             | "link_used"              | 401 | "This link was used already or has expired"  | "链接已使用或已过期"
    BadSignature         | "bad_signature"          | 401 | "The signature is missing or wrong"          | "签名缺失或不正确"
    MissingScope         | "missing_scope"          | 403 | "Not allowed"                                | "没有权限"
    ForeignOrigin        | "foreign_origin"         | 403 | "The request comes from another site"        | "请求来自其他网站"
    NotFound             | "not_found"              | 404 | "Not found"                                  | "未找到"
    MethodNotAllowed     | "method_not_allowed"     | 405 | "This address does not take that method"     | "该地址不支持此方法"
    Conflict             | "conflict"               | 409 | "It conflicts with what is there"            | "与现有内容冲突"
    TurnInProgress       | "turn_in_progress"       | 409 | "The assistant is still answering"           | "助手仍在回答"
    TooLarge             | "too_large"              | 413 | "Too large"                                  | "内容过大"
    UnsupportedMediaType | "unsupported_media_type" | 415 | "This kind of content is not understood"     | "不支持的内容类型"
    InvalidJson          | "invalid_json"           | 400 | "The body is not valid JSON"                 | "请求体不是有效的 JSON"
    InvalidInput         | "invalid_input"          | 422 | "The input is not valid"                     | "输入无效"
    InvalidDefinition    | "invalid_definition"     | 422 | "The document has errors"                    | "文档有错误"
    InvalidDocument      | "invalid_document"       | 422 | "The file cannot be read"                    | "文件无法读取"
    InvalidPlugin        | "invalid_plugin"         | 422 | "The plugin cannot be installed"             | "插件无法安装"
    InUse                | "in_use"                 | 409 | "It is in use"                               | "正在使用中"
    MessageTooLong       | "message_too_long"       | 422 | "The message is too long"                    | "消息过长"
    TooManyRequests      | "too_many_requests"      | 429 | "Too many requests"                          | "请求过多"
    ModelNotConfigured   | "model_not_configured"   | 503 | "No language model is set up"                | "尚未配置语言模型"
    ModelFailed          | "model_failed"           | 502 | "The language model did not answer"          | "语言模型没有回答"
    EmbeddingUnavailable | "embedding_unavailable"  | 503 | "The embedding model is not available"       | "嵌入模型不可用"
    IndexDamaged         | "index_damaged"          | 503 | "The search index is damaged"                | "检索索引已损坏"
    IndexUnavailable     | "index_unavailable"      | 503 | "The search index is not available"          | "检索索引不可用"
    SourceUnavailable    | "source_unavailable"     | 502 | "The address did not answer"                 | "该地址没有响应"
    RunFailed            | "run_failed"             | 500 | "The run failed"                             | "运行失败"
    StillRunning         | "still_running"          | 504 | "The run has not ended yet"                  | "运行尚未结束"
    StorageFull          | "storage_full"           | 507 | "The disk is full"                           | "磁盘已满"
    ShuttingDown         | "shutting_down"          | 503 | "The server is stopping"                     | "服务器正在停止"
    Internal             | "internal"               | 500 | "Something went wrong on the server"         | "服务器内部错误"
}
