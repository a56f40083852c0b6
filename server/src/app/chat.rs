//! Conversations: a visitor's message becomes a run of the assistant's program, its answer a message.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use domain::{
    Conversation, ConversationId, DefinitionKind, Message, MessageId, MessageRole, MessageStatus, RunId, RunKind,
    RunStatus, TenantId,
};
use serde_json::{Value, json};
use storage::BeginTurn;
use workflow_engine::{ChatContext, ChatTurn};

use super::accounts::Caller;
use super::clock::new_uuid;
use super::runs::{Around, Beginning, Nesting, Started};
use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// A conversation's name in the list, taken from its first message.
const TITLE_CHARS: usize = 60;
/// Messages that are read before it is known how many the assistant looks back on: as many as it does unless it says otherwise.
const USUAL_MESSAGES: i64 = 40;

/// A turn without a stored conversation: the caller brings the history (OpenAI-compatible clients).
pub struct LooseTurn {
    pub assistant: String,
    pub message: String,
    pub history: Vec<ChatTurn>,
}

impl App {
    pub async fn create_conversation(&self, caller: &Caller, assistant: &str) -> Result<Conversation> {
        let tenant = caller.tenant.id;
        self.definition(tenant, DefinitionKind::Assistant, assistant).await?;
        let now = self.clock().now_ms();
        let conversation = Conversation {
            id: ConversationId::from_uuid(new_uuid()),
            assistant: assistant.to_owned(),
            user: caller.user.as_ref().map(|it| it.id),
            title: String::new(),
            state: json!({}),
            created_at: now,
            updated_at: now,
        };
        self.storage().create_conversation(tenant, conversation.clone()).await?;
        Ok(conversation)
    }

    /// A conversation of the caller's own: another person's is as unknown as another tenant's. A key has those that keys
    /// began; with the scope `manage` it has all.
    pub async fn conversation(&self, caller: &Caller, id: ConversationId) -> Result<Conversation> {
        let found = self.storage().conversation(caller.tenant.id, id).await?;
        let mine = caller.user.as_ref().map(|it| it.id);
        found
            .filter(|it| it.user == mine || caller.sees_all_conversations())
            .ok_or_else(|| AppError::not_found("conversation", id))
    }

    /// Stores the message, starts the assistant's run, and answers at once with both.
    pub async fn send(
        &self,
        caller: &Caller,
        id: ConversationId,
        content: &str,
    ) -> Result<(Message, Message, Started)> {
        self.admit()?;
        let content = content.trim();
        self.check_message(content)?;
        let tenant = caller.tenant.id;
        let _turn = self.0.turns.take(id)?;
        // Side by side, because a visitor waits for each of them.
        let (conversation, question, newest) = tokio::try_join!(
            self.conversation(caller, id),
            async { Ok(self.storage().open_question(tenant, id, self.clock().now_ms()).await?) },
            async { Ok(self.storage().recent_messages(tenant, id, USUAL_MESSAGES).await?) },
        )?;
        if let Some(question) = question {
            return self.answer_in_chat(caller, &conversation, &question, content).await;
        }
        let version = self.definition(tenant, DefinitionKind::Assistant, &conversation.assistant).await?;
        let ready = self.assistant_program(tenant, &version).await?;
        let earlier = self.remembered(tenant, id, (newest, ready.document.memory.window)).await?;
        for message in earlier.iter().filter(|it| it.status == MessageStatus::Streaming) {
            // Also one that nobody drives at the moment: whoever takes it up goes on with this very message.
            if let Some(run) = message.run
                && let Some(run) = self.storage().run(tenant, run).await?
                && matches!(run.status, RunStatus::Queued | RunStatus::Running)
            {
                return Err(in_progress());
            }
        }
        let now = self.clock().now_ms();
        let mut run = self.new_run(RunKind::Chat, &conversation.assistant, &version);
        let asked = said(id, content, now);
        let answer = going_on(id, run.id, now);
        run.conversation = Some(id);
        run.message = Some(answer.id);
        run.inputs = json!({ "message": content });
        let title = conversation.title.is_empty().then(|| content.chars().take(TITLE_CHARS).collect());
        let turn =
            BeginTurn { conversation: id, user_message: asked.clone(), assistant_message: answer.clone(), title };
        let chat = ChatContext { message: content.to_owned(), history: turns(&earlier), files: Vec::new() };
        let around = Around { chat: Some(chat), user: caller.as_workflow_user(), state: conversation.state };
        let input = self.run_input(tenant, &run, json!({}), around).await?;
        let program = ready.program.clone();
        let beginning = Beginning { run, program, input, nesting: Nesting::default(), turn: Some(turn) };
        let started = self.begin(tenant, beginning).await;
        // Another server was a moment faster.
        let started = started.map_err(|it| if it.code == ErrorCode::Conflict { in_progress() } else { it })?;
        Ok((asked, answer, started))
    }

    /// The messages that an assistant looks back on: `window` turns, of which the newest have been read.
    async fn remembered(
        &self,
        tenant: TenantId,
        id: ConversationId,
        (mut newest, window): (Vec<Message>, u32),
    ) -> Result<Vec<Message>> {
        let wanted = i64::from(window) * 2;
        if wanted > USUAL_MESSAGES {
            return Ok(self.storage().recent_messages(tenant, id, wanted).await?);
        }
        let more = newest.len().saturating_sub(usize::try_from(wanted).unwrap_or(0));
        Ok(newest.split_off(more))
    }

    /// A turn whose history the caller brings; nothing of it becomes a conversation.
    pub(crate) async fn send_loose(
        &self,
        caller: &Caller,
        turn: LooseTurn,
        usage: std::sync::Arc<crate::run::effects::Usage>,
    ) -> Result<Started> {
        self.admit()?;
        self.check_message(&turn.message)?;
        let tenant = caller.tenant.id;
        let version = self.definition(tenant, DefinitionKind::Assistant, &turn.assistant).await?;
        let ready = self.assistant_program(tenant, &version).await?;
        let mut run = self.new_run(RunKind::Chat, &turn.assistant, &version);
        let history: Vec<Value> =
            turn.history.iter().map(|it| json!({ "role": it.role, "content": it.content })).collect();
        run.inputs = json!({ "message": turn.message, "history": history });
        let chat = ChatContext { message: turn.message, history: turn.history, files: Vec::new() };
        let around = Around { chat: Some(chat), user: caller.as_workflow_user(), state: json!({}) };
        let input = self.run_input(tenant, &run, json!({}), around).await?;
        let program = ready.program.clone();
        self.begin(
            tenant,
            Beginning { run, program, input, nesting: Nesting { usage, ..Nesting::default() }, turn: None },
        )
        .await
    }

    fn check_message(&self, content: &str) -> Result<()> {
        if content.is_empty() {
            return Err(AppError::invalid("the message is empty"));
        }
        self.check_length(content)
    }

    pub(super) fn check_length(&self, content: &str) -> Result<()> {
        let limit = self.config().limits.message_chars;
        let length = content.chars().count();
        if length > limit {
            return Err(AppError::new(
                ErrorCode::MessageTooLong,
                format!("the message has {length} characters; at most {limit} are taken"),
            )
            .hint("split it, or put long documents into a knowledge base"));
        }
        Ok(())
    }
}

/// Conversations whose next turn is being started: two messages at the same moment must not both begin one.
#[derive(Default)]
pub struct Turns(Mutex<HashSet<ConversationId>>);

struct Turn<'a> {
    turns: &'a Turns,
    conversation: ConversationId,
}

impl Turns {
    fn take(&self, conversation: ConversationId) -> Result<Turn<'_>> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(conversation) {
            return Ok(Turn { turns: self, conversation });
        }
        Err(in_progress())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.conversation);
    }
}

pub(super) fn in_progress() -> AppError {
    AppError::new(ErrorCode::TurnInProgress, "the last message is still being answered")
        .hint("wait for it, or stop it first")
}

/// What a visitor says.
pub(super) fn said(conversation: ConversationId, content: &str, at: i64) -> Message {
    new_message(conversation, MessageRole::User, content, MessageStatus::Complete, at)
}

/// What a run is about to say.
pub(super) fn going_on(conversation: ConversationId, run: RunId, at: i64) -> Message {
    let message = new_message(conversation, MessageRole::Assistant, "", MessageStatus::Streaming, at);
    Message { run: Some(run), ..message }
}

fn new_message(
    conversation: ConversationId,
    role: MessageRole,
    content: &str,
    status: MessageStatus,
    at: i64,
) -> Message {
    Message {
        id: MessageId::from_uuid(new_uuid()),
        conversation,
        role,
        content: content.to_owned(),
        status,
        error: None,
        run: None,
        created_at: at,
        finished_at: (status == MessageStatus::Complete).then_some(at),
    }
}

/// Earlier messages as the model sees them, oldest first; what failed without a word is left out.
fn turns(messages: &[Message]) -> Vec<ChatTurn> {
    messages
        .iter()
        .filter(|it| !it.content.is_empty())
        .map(|it| ChatTurn { role: it.role.as_str().to_owned(), content: it.content.clone() })
        .collect()
}
