//! Pictures of graphs in the language of Graphviz.

use super::{Graph, Value};
use std::fmt::Write;

/// A directed graph: boxes are operations, ellipses arrays. `names[i]` labels output `i`, where it
/// is not empty. An output that no operation computes is the ellipse that it comes from, so that a
/// picture has arrows only where something is left to compute.
pub fn dot(graph: &Graph, names: &[String]) -> String {
    let mut text = String::from("digraph {\n");
    for (position, _) in (0u32..).zip(&graph.inputs) {
        let first = format!("input {position}");
        given(&mut text, graph, names, Value::Input(position), first, "");
    }
    for (position, _) in (0u32..).zip(&graph.constants) {
        let value = Value::Constant(position);
        given(
            &mut text,
            graph,
            names,
            value,
            "constant".into(),
            " style=dashed",
        );
    }
    steps(&mut text, graph);
    for (position, output) in graph.outputs.iter().enumerate() {
        if matches!(output, Value::Result { .. }) {
            let label = output_label(names, position);
            ellipse(
                &mut text,
                graph,
                *output,
                &format!("output{position}"),
                &label,
                "",
            );
            line(
                &mut text,
                format_args!("  {} -> output{position};", name(*output)),
            );
        }
    }
    text.push_str("}\n");
    text
}

/// An array that no operation computes, with the labels of the outputs that it is.
fn given(
    text: &mut String,
    graph: &Graph,
    names: &[String],
    value: Value,
    first: String,
    style: &str,
) {
    let mut labels = vec![first];
    let same = |output: &&Value| **output == value;
    for (position, _) in graph
        .outputs
        .iter()
        .enumerate()
        .filter(|(_, output)| same(output))
    {
        labels.push(output_label(names, position));
    }
    ellipse(text, graph, value, &name(value), &labels.join("\\n"), style);
}

fn ellipse(text: &mut String, graph: &Graph, value: Value, node: &str, label: &str, style: &str) {
    let array_type = graph.array_type(value);
    line(
        text,
        format_args!(
            "  {node} [label=\"{label}\\n{} {}\" shape=ellipse{style}];",
            array_type.dtype, array_type.shape
        ),
    );
}

fn steps(text: &mut String, graph: &Graph) {
    for (position, step) in graph.steps.iter().enumerate() {
        line(
            text,
            format_args!("  step{position} [label=\"{}\" shape=box];", step.op.name()),
        );
        for input in &step.inputs {
            line(text, format_args!("  {} -> step{position};", name(*input)));
        }
    }
}

fn output_label(names: &[String], position: usize) -> String {
    match names.get(position) {
        Some(name) if !name.is_empty() => escape(name),
        _ => format!("output {position}"),
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // writing to a string does not fail
    let _ = writeln!(text, "{content}");
}

fn name(value: Value) -> String {
    match value {
        Value::Input(input) => format!("input{input}"),
        Value::Constant(constant) => format!("constant{constant}"),
        Value::Result { step, .. } => format!("step{step}"),
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"")
}
