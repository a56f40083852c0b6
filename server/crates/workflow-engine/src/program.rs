//! A compiled workflow: templates, schemas and the graph, ready to run any number of times.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::catalog::WorkflowSignature;
use crate::compile::{After, Inputs, OnError, Retry};
use crate::expression::Expression;
use crate::input::InputProblem;
use crate::node::{Behaviour, Built};
use crate::template::{Piece, Template};
use crate::trigger::Triggers;

/// Node ids and their numbers.
pub(crate) type NodeIndex = HashMap<Arc<str>, usize>;
/// The workflow's outputs, in the document's order.
pub(crate) type Outputs = Vec<(String, Template)>;

/// A compiled workflow. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Program {
    signature: WorkflowSignature,
    inputs: Inputs,
    pub(crate) nodes: Vec<ProgramNode>,
    pub(crate) index: NodeIndex,
    pub(crate) outputs: Outputs,
    pub(crate) triggers: Triggers,
}

/// A node as a drawing of the program needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    pub id: String,
    /// What `use` says: a kind, a plugin tool, or `workflow/NAME`.
    pub kind: String,
    /// The node's own title, else its id.
    pub title: String,
    pub ports: Vec<String>,
    /// Ids of the nodes that it waits for.
    pub dependencies: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct ProgramNode {
    pub(crate) id: Arc<str>,
    pub(crate) kind: String,
    pub(crate) title: Option<String>,
    pub(crate) dependencies: Vec<usize>,
    pub(crate) dependents: Vec<usize>,
    pub(crate) after: Option<Vec<After>>,
    pub(crate) condition: Option<Expression>,
    pub(crate) retry: Retry,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) on_error: OnError,
    pub(crate) behaviour: Box<dyn Behaviour>,
    pub(crate) input: Template,
    pub(crate) ports: Vec<String>,
    pub(crate) outputs: Value,
    pub(crate) streams: bool,
    pub(crate) acts: bool,
    /// Only for `answer`: what it says, piece by piece.
    pub(crate) answer: Option<Vec<AnswerPiece>>,
    /// Answers that wait for this node.
    pub(crate) answers: Vec<usize>,
    /// Nodes that the condition reads.
    pub(crate) condition_needs: Vec<usize>,
}

/// A piece of an answer and what it waits for.
#[derive(Debug)]
pub(crate) struct AnswerPiece {
    pub(crate) piece: Piece,
    /// The node whose text this piece passes on while it grows.
    pub(crate) streams_from: Option<usize>,
    /// Nodes that must have settled before the piece can be said.
    pub(crate) needs: Vec<usize>,
}

impl ProgramNode {
    pub(crate) fn new(
        id: Arc<str>,
        (kind, title): (String, Option<String>),
        settings: crate::compile::Settings,
        built: Built,
    ) -> ProgramNode {
        let crate::compile::Settings {
            after,
            after_span: _,
            condition,
            condition_span: _,
            retry,
            timeout_ms,
            on_error,
        } = settings;
        let Built { behaviour, input, ports, outputs, streams, acts, answer } = built;
        let answer = answer.map(|text| {
            text.pieces.into_iter().map(|piece| AnswerPiece { piece, streams_from: None, needs: Vec::new() }).collect()
        });
        ProgramNode {
            id,
            kind,
            title,
            dependencies: Vec::new(),
            dependents: Vec::new(),
            after,
            condition,
            retry,
            timeout_ms,
            on_error,
            behaviour,
            input,
            ports,
            outputs,
            streams,
            acts,
            answer,
            answers: Vec::new(),
            condition_needs: Vec::new(),
        }
    }
}

impl Program {
    /// Links the nodes with each other.
    pub(crate) fn new(
        signature: WorkflowSignature,
        inputs: Inputs,
        mut nodes: Vec<ProgramNode>,
        (index, outputs): (NodeIndex, Outputs),
    ) -> Program {
        let streaming: Vec<bool> = nodes.iter().map(|it| it.streams).collect();
        let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        let mut answers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        let needs = |reads: &[crate::expression::Path]| -> Vec<usize> {
            let mut found: Vec<usize> = reads.iter().filter_map(|it| index.get(it.root.as_str()).copied()).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        for (number, node) in nodes.iter_mut().enumerate() {
            for target in &node.dependencies {
                if let Some(list) = dependents.get_mut(*target) {
                    list.push(number);
                }
                if let (true, Some(list)) = (node.answer.is_some(), answers.get_mut(*target)) {
                    list.push(number);
                }
            }
            node.condition_needs = node.condition.as_ref().map(|it| needs(it.reads())).unwrap_or_default();
            for piece in node.answer.iter_mut().flatten() {
                piece.needs = needs(piece.piece.reads());
                piece.streams_from = piece
                    .piece
                    .text_of()
                    .and_then(|it| index.get(it).copied())
                    .filter(|it| streaming.get(*it) == Some(&true));
            }
        }
        for (node, (dependents, answers)) in nodes.iter_mut().zip(dependents.into_iter().zip(answers)) {
            node.dependents = dependents;
            node.answers = answers;
        }
        Program { signature, inputs, nodes, index, outputs, triggers: Triggers::default() }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.signature.name
    }

    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.signature.title.as_deref()
    }

    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.signature.description.as_deref()
    }

    #[must_use]
    pub fn signature(&self) -> &WorkflowSignature {
        &self.signature
    }

    #[must_use]
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let id = |it: usize| self.nodes.get(it).map(|it| it.id.to_string());
        self.nodes
            .iter()
            .map(|node| {
                let mut ports = node.ports.clone();
                if matches!(node.on_error, OnError::Route) {
                    ports.push("error".to_owned());
                }
                NodeInfo {
                    id: node.id.to_string(),
                    kind: node.kind.clone(),
                    title: node.title.clone().unwrap_or_else(|| node.id.to_string()),
                    ports,
                    dependencies: node.dependencies.iter().filter_map(|it| id(*it)).collect(),
                }
            })
            .collect()
    }

    /// Everything that is wrong with inputs for a run; empty when a run would take them.
    #[must_use]
    pub fn check_inputs(&self, inputs: &Value) -> Vec<InputProblem> {
        self.inputs.prepare(inputs).err().unwrap_or_default()
    }

    pub(crate) fn prepare_inputs(&self, inputs: &Value) -> Result<serde_json::Map<String, Value>, Vec<InputProblem>> {
        self.inputs.prepare(inputs)
    }
}
