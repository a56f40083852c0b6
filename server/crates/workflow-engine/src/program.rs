//! A compiled workflow: templates, schemas and the graph, ready to run any number of times.
//!
//! The nodes of a document make up *bodies*: body 0 holds the outermost ones, and every container (`each`, `loop`) has a
//! body of its own for the nodes in its `do`. A run makes a frame of a body each time that it is executed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::catalog::WorkflowSignature;
use crate::compile::{After, Cache, Inputs, LimitsAsked, OnError, Retry};
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
    limits: LimitsAsked,
    pub(crate) bodies: Vec<Body>,
    pub(crate) outputs: Outputs,
    pub(crate) triggers: Triggers,
}

/// Nodes that are executed together.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) nodes: Vec<ProgramNode>,
    pub(crate) index: NodeIndex,
    /// The container whose body it is; none for the outermost one.
    pub(crate) owner: Option<Spot>,
    /// What one execution gives to its container.
    pub(crate) collect: Option<Template>,
    /// `while` of a `loop`: decides whether an execution begins.
    pub(crate) condition: Option<Expression>,
    /// `next` of a `loop`: the variables of the next iteration, evaluated at the end of one.
    pub(crate) next: Vec<(String, Template)>,
}

/// A node of the program: the body, and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) body: usize,
    pub(crate) node: usize,
}

/// What a container does with its body.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) body: usize,
    pub(crate) kind: ContainerKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    Each(OnItemError),
    Loop,
}

/// What a failed item means for its `each`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnItemError {
    #[default]
    Stop,
    Skip,
    Keep,
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
    /// The container that it stands in.
    pub parent: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ProgramNode {
    pub(crate) id: Arc<str>,
    pub(crate) kind: String,
    pub(crate) title: Option<String>,
    /// Nodes of the same body that it waits for.
    pub(crate) dependencies: Vec<usize>,
    pub(crate) dependents: Vec<usize>,
    /// Nodes of outer bodies that it refers to; they have settled before its container starts.
    pub(crate) outer: Vec<Spot>,
    pub(crate) after: Option<Vec<After>>,
    pub(crate) condition: Option<Expression>,
    pub(crate) retry: Retry,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) on_error: OnError,
    pub(crate) cache: Option<Cache>,
    pub(crate) container: Option<Container>,
    pub(crate) behaviour: Box<dyn Behaviour>,
    pub(crate) input: Template,
    pub(crate) ports: Vec<String>,
    pub(crate) outputs: Value,
    pub(crate) streams: bool,
    pub(crate) acts: bool,
    /// Whether it may say something to the visitor, itself or through a node inside of it.
    pub(crate) says: bool,
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
            cache,
        } = settings;
        let Built { behaviour, input, ports, outputs, streams, acts, says, answer } = built;
        let answer = answer.map(|text| {
            text.pieces.into_iter().map(|piece| AnswerPiece { piece, streams_from: None, needs: Vec::new() }).collect()
        });
        ProgramNode {
            id,
            kind,
            title,
            dependencies: Vec::new(),
            dependents: Vec::new(),
            outer: Vec::new(),
            after,
            condition,
            retry,
            timeout_ms,
            on_error,
            cache,
            container: None,
            behaviour,
            input,
            ports,
            outputs,
            streams,
            acts,
            says,
            answer,
            answers: Vec::new(),
            condition_needs: Vec::new(),
        }
    }
}

impl ProgramNode {
    /// Stands in for a container that could not be compiled, while what is inside of it is.
    pub(crate) fn broken(id: &str) -> ProgramNode {
        let built = Built {
            behaviour: Box::new(crate::nodes::Contains),
            input: Template::Map(Vec::new()),
            ports: Vec::new(),
            outputs: Value::Null,
            streams: false,
            acts: true,
            says: false,
            answer: None,
        };
        ProgramNode::new(Arc::from(id), (String::new(), None), crate::compile::Settings::default(), built)
    }
}

impl Body {
    /// Links the nodes with each other.
    pub(crate) fn link(&mut self) {
        let Body { nodes, index, .. } = self;
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
    }
}

impl Program {
    /// Puts linked bodies together; the first is the outermost one.
    pub(crate) fn new(
        signature: WorkflowSignature,
        (inputs, limits): (Inputs, LimitsAsked),
        mut bodies: Vec<Body>,
        outputs: Outputs,
    ) -> Program {
        // Inner bodies come after the ones around them, so going backwards a container hears of everything in it.
        for number in (1..bodies.len()).rev() {
            let says = bodies.get(number).is_some_and(|it| it.nodes.iter().any(|it| it.says));
            let owner = bodies.get(number).and_then(|it| it.owner);
            if let Some(owner) = owner
                && let Some(node) = bodies.get_mut(owner.body).and_then(|it| it.nodes.get_mut(owner.node))
            {
                node.says = says;
            }
        }
        Program { signature, inputs, limits, bodies, outputs, triggers: Triggers::default() }
    }

    pub(crate) fn node(&self, spot: Spot) -> Option<&ProgramNode> {
        self.bodies.get(spot.body)?.nodes.get(spot.node)
    }

    /// What the document itself asks to be limited to.
    #[must_use]
    pub fn limits(&self) -> &LimitsAsked {
        &self.limits
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

    /// The plugins that its nodes call for certain: whoever runs it can get them ready before.
    #[must_use]
    pub fn plugins(&self) -> BTreeSet<&str> {
        self.bodies.iter().flat_map(|it| &it.nodes).filter_map(|it| it.behaviour.plugin()).collect()
    }

    /// All nodes, those of a container after it.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let mut found = Vec::new();
        self.describe(0, &mut found);
        found
    }

    fn describe(&self, number: usize, found: &mut Vec<NodeInfo>) {
        let Some(body) = self.bodies.get(number) else { return };
        let id = |it: usize| body.nodes.get(it).map(|it| it.id.to_string());
        let parent = body.owner.and_then(|it| self.node(it)).map(|it| it.id.to_string());
        for node in &body.nodes {
            let mut ports = node.ports.clone();
            if matches!(node.on_error, OnError::Route) {
                ports.push("error".to_owned());
            }
            found.push(NodeInfo {
                id: node.id.to_string(),
                kind: node.kind.clone(),
                title: node.title.clone().unwrap_or_else(|| node.id.to_string()),
                ports,
                dependencies: node.dependencies.iter().filter_map(|it| id(*it)).collect(),
                parent: parent.clone(),
            });
            if let Some(container) = &node.container {
                self.describe(container.body, found);
            }
        }
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
