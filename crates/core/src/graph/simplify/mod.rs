//! Passes that make a graph smaller without changing a bit of its results.

mod dead;
mod duplicates;
mod identities;
mod scalars;

use super::Graph;

/// The graph in fewer steps, fit for every transform.
pub fn simplify(graph: Graph) -> Graph {
    passes(graph, identities::Keep::Rules)
}

/// The graph in fewer steps for evaluation alone: what only transforms look at is gone.
pub fn simplify_for_values(graph: Graph) -> Graph {
    passes(graph, identities::Keep::Values)
}

/// [`simplify`] without the order between computations that share no data.
pub(crate) fn simplify_for_files(graph: Graph) -> Graph {
    passes(graph, identities::Keep::Data)
}

fn passes(mut graph: Graph, keep: identities::Keep) -> Graph {
    graph = dead::remove(graph);
    let scalars = scalars::fold(&mut graph);
    identities::remove(&mut graph, &scalars, keep);
    duplicates::merge(&mut graph, &scalars);
    dead::remove(graph)
}
