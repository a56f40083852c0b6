//! Conversations and their messages.

use domain::{Conversation, ConversationId, Message, MessageId, MessageStatus, TenantId, UserId};
use serde_json::Value;

use crate::accounts::found;
use crate::columns::{self, Stored, maybe_parsed, parsed};
use crate::database::{Connection, Parameter, Row, query};
use crate::error::{Failure, Operation};
use crate::pages::{Cursor, Page, page, with_one_more};
use crate::{Result, Storage, StorageError};

macro_rules! conversation_columns {
    () => {
        "id, assistant, user_id, title, state, created_at, updated_at"
    };
}
macro_rules! message_columns {
    () => {
        "id, conversation, role, content, status, error, run, created_at, finished_at"
    };
}

/// A visitor's message, and the answer that a run writes to it.
#[derive(Clone, Debug)]
pub struct BeginTurn {
    pub conversation: ConversationId,
    pub user_message: Message,
    pub assistant_message: Message,
    /// The conversation's new title, if it gets one.
    pub title: Option<String>,
}

/// What a message becomes.
#[derive(Clone, Debug)]
pub struct MessageUpdate {
    pub id: MessageId,
    pub content: String,
    pub status: MessageStatus,
    /// JSON text: `{code, message, hint?}`.
    pub error: Option<String>,
}

impl Stored for Conversation {
    fn read(row: &Row) -> Result<Conversation, sqlx::Error> {
        Ok(Conversation {
            id: parsed(row, "id")?,
            assistant: row.try_get("assistant")?,
            user: maybe_parsed(row, "user_id")?,
            title: row.try_get("title")?,
            state: columns::json(row, "state")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Stored for Message {
    fn read(row: &Row) -> Result<Message, sqlx::Error> {
        Ok(Message {
            id: parsed(row, "id")?,
            conversation: parsed(row, "conversation")?,
            role: parsed(row, "role")?,
            content: row.try_get("content")?,
            status: parsed(row, "status")?,
            error: columns::maybe_json(row, "error")?,
            run: maybe_parsed(row, "run")?,
            created_at: row.try_get("created_at")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

impl Storage {
    /// # Errors
    /// `NotFound` when the tenant has no such user.
    pub async fn create_conversation(&self, tenant: TenantId, conversation: Conversation) -> Result<()> {
        const CREATE: Operation =
            Operation::new("begin a conversation").conflict("a conversation with this id").missing("user");
        self.write(CREATE, move |connection| {
            Box::pin(async move {
                let Conversation { id, assistant, user, title, state, created_at, updated_at } = conversation;
                let sql = concat!(
                    "insert into conversations (tenant, ",
                    conversation_columns!(),
                    ") values ($1, $2, $3, $4, $5, $6, $7, $8)"
                );
                query(sql)
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .bind(assistant)
                    .bind(user.map(|it| it.to_string()))
                    .bind(title)
                    .bind(state.to_string())
                    .bind(created_at)
                    .bind(updated_at)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    pub async fn conversation(&self, tenant: TenantId, id: ConversationId) -> Result<Option<Conversation>> {
        let sql = concat!("select ", conversation_columns!(), " from conversations where tenant = $1 and id = $2");
        self.first("read a conversation", query(sql).bind(tenant.to_string()).bind(id.to_string())).await
    }

    /// Of one user or of everybody, the one with the newest message first.
    pub async fn list_conversations(
        &self,
        tenant: TenantId,
        user: Option<UserId>,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<Conversation>> {
        let Cursor { at, id } = Cursor::read(cursor)?;
        let sql = match user {
            Some(_) => concat!(
                "select ",
                conversation_columns!(),
                " from conversations where tenant = $1 and (updated_at, id) < ($2, $3) and user_id = $5 \
                 order by updated_at desc, id desc limit $4"
            ),
            None => concat!(
                "select ",
                conversation_columns!(),
                " from conversations where tenant = $1 and (updated_at, id) < ($2, $3) \
                 order by updated_at desc, id desc limit $4"
            ),
        };
        let mut query = query(sql).bind(tenant.to_string()).bind(at).bind(id.to_string()).bind(with_one_more(limit));
        if let Some(user) = user {
            query = query.bind(user.to_string());
        }
        let items = self.all("list the conversations", query).await?;
        Ok(page(items, limit, |it: &Conversation| (it.updated_at, *it.id.as_uuid())))
    }

    /// Deletes the conversation with its messages and with what its runs recorded. False when there is none.
    pub async fn delete_conversation(&self, tenant: TenantId, id: ConversationId) -> Result<bool> {
        const DELETE: Operation = Operation::new("delete a conversation");
        self.write(DELETE, move |connection| {
            Box::pin(async move {
                let done = query("delete from conversations where tenant = $1 and id = $2")
                    .bind(tenant.to_string())
                    .bind(id.to_string())
                    .execute(connection)
                    .await?;
                Ok(done > 0)
            })
        })
        .await
    }

    /// # Errors
    /// `NotFound` when the tenant has no such conversation.
    pub async fn set_conversation_state(&self, tenant: TenantId, id: ConversationId, state: Value) -> Result<()> {
        const SET: Operation = Operation::new("store a conversation's variables");
        self.change_conversation(
            SET,
            (tenant, id),
            "update conversations set state = $3 where tenant = $1 and id = $2",
            state.to_string(),
        )
        .await
    }

    /// # Errors
    /// `NotFound` when the tenant has no such conversation.
    pub async fn rename_conversation(&self, tenant: TenantId, id: ConversationId, title: &str) -> Result<()> {
        const RENAME: Operation = Operation::new("rename a conversation");
        let sql = "update conversations set title = $3 where tenant = $1 and id = $2";
        self.change_conversation(RENAME, (tenant, id), sql, title.to_owned()).await
    }

    /// Moves the conversation to the front of the list.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such conversation.
    pub async fn touch_conversation(&self, tenant: TenantId, id: ConversationId, at: i64) -> Result<()> {
        const TOUCH: Operation = Operation::new("note that a conversation went on");
        let sql = "update conversations set updated_at = $3 where tenant = $1 and id = $2";
        self.change_conversation(TOUCH, (tenant, id), sql, at).await
    }

    async fn change_conversation(
        &self,
        operation: Operation,
        (tenant, id): (TenantId, ConversationId),
        sql: &'static str,
        value: impl Into<Parameter> + Clone + Send + 'static,
    ) -> Result<()> {
        self.write(operation, move |connection| {
            Box::pin(async move {
                let query = query(sql).bind(tenant.to_string()).bind(id.to_string()).bind(value);
                found(query.execute(connection).await?, "conversation")
            })
        })
        .await
    }

    /// # Errors
    /// `NotFound` when the tenant has no such message.
    pub async fn update_message(
        &self,
        tenant: TenantId,
        update: MessageUpdate,
        finished_at: Option<i64>,
    ) -> Result<()> {
        const UPDATE: Operation = Operation::new("store a message");
        self.write(UPDATE, move |connection| Box::pin(write_message(connection, tenant, update, finished_at))).await
    }

    /// The newest `limit` messages before `before`, or before the end; the oldest of them first.
    pub async fn messages(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        limit: i64,
        before: Option<MessageId>,
    ) -> Result<Vec<Message>> {
        let sql = match before {
            Some(_) => concat!(
                "select ",
                message_columns!(),
                " from messages where tenant = $1 and conversation = $2 and position < \
                 (select position from messages where tenant = $1 and conversation = $2 and id = $4) \
                 order by position desc limit $3"
            ),
            None => concat!(
                "select ",
                message_columns!(),
                " from messages where tenant = $1 and conversation = $2 order by position desc limit $3"
            ),
        };
        let mut query = query(sql).bind(tenant.to_string()).bind(conversation.to_string()).bind(limit.max(0));
        if let Some(before) = before {
            query = query.bind(before.to_string());
        }
        let mut messages: Vec<Message> = self.all("read the messages", query).await?;
        messages.reverse();
        Ok(messages)
    }

    /// The end of a conversation, as much as the model is shown; the oldest message first.
    pub async fn recent_messages(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        limit: i64,
    ) -> Result<Vec<Message>> {
        self.messages(tenant, conversation, limit, None).await
    }
}

/// Stores both messages of a turn, and the conversation's place in the list.
pub(crate) async fn write_turn(connection: &mut Connection, tenant: TenantId, turn: BeginTurn) -> Result<(), Failure> {
    let BeginTurn { conversation, user_message, assistant_message, title } = turn;
    if [user_message.conversation, assistant_message.conversation] != [conversation; 2] {
        return Err(StorageError::NotFound { what: "conversation" }.into());
    }
    let done =
        query("update conversations set updated_at = $3, title = coalesce($4, title) where tenant = $1 and id = $2")
            .bind(tenant.to_string())
            .bind(conversation.to_string())
            .bind(user_message.created_at)
            .bind(title)
            .execute(&mut *connection)
            .await?;
    found(done, "conversation")?;
    insert_message(connection, tenant, user_message).await?;
    insert_message(connection, tenant, assistant_message).await
}

pub(crate) async fn insert_message(
    connection: &mut Connection,
    tenant: TenantId,
    message: Message,
) -> Result<(), Failure> {
    let Message { id, conversation, role, content, status, error, run, created_at, finished_at } = message;
    let sql = concat!(
        "insert into messages (tenant, ",
        message_columns!(),
        ", position) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         (select coalesce(max(position), 0) + 1 from messages where tenant = $1 and conversation = $3))"
    );
    query(sql)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(conversation.to_string())
        .bind(role.as_str())
        .bind(content)
        .bind(status.as_str())
        .bind(error.map(|it| it.to_string()))
        .bind(run.map(|it| it.to_string()))
        .bind(created_at)
        .bind(finished_at)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn write_message(
    connection: &mut Connection,
    tenant: TenantId,
    update: MessageUpdate,
    finished_at: Option<i64>,
) -> Result<(), Failure> {
    let MessageUpdate { id, content, status, error } = update;
    let done = query(
        "update messages set content = $3, status = $4, error = $5, finished_at = $6 where tenant = $1 and id = $2",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(content)
    .bind(status.as_str())
    .bind(error)
    .bind(finished_at)
    .execute(connection)
    .await?;
    found(done, "message")
}
