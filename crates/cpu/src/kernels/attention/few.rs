//! Few queries against many keys: keys and values are read where they are, once for all heads that
//! share them. Spans of keys are tasks of their own, joined in order in the end.

use super::block::Attention;
use super::mask::{self, UNSEEN};
use super::softmax::{self, Running};
use crate::gemm::compiled::compiled;
use crate::gemm::dots;
use crate::gemm::{Element, Matrix};
use crate::simd::stream;
use mlx_oxide_runtime::parallel;

/// Queries, those of all heads that share keys, up to which keys are not worth packing.
const QUERIES: usize = 16;
/// Queries for each of which keys and values are widened again.
const FEW: usize = 2;
/// Keys of one task.
pub(super) const SPAN: usize = 512;
/// Keys whose scores are in memory at a time.
const BLOCK: usize = 64;

/// The keys of one task.
struct Span {
    batch: usize,
    key_head: usize,
    first: usize,
    size: usize,
}

/// What a task computes with.
struct Workspace {
    /// Scaled queries, row by row.
    queries: Vec<f32>,
    /// Scores of some keys, then their powers.
    scores: Vec<f32>,
    /// Some keys or values in single precision.
    rows: Vec<f32>,
}

/// What is known of all queries after a span of keys.
pub(super) struct Found {
    running: Vec<Running>,
    sums: Vec<f32>,
}

impl<T: Element<Sum = f32>> Attention<T> {
    /// Whether [`Attention::few`] can compute this call and should.
    pub(super) fn are_few(&self) -> bool {
        self.key_size > 0
            && self.shared_queries() <= QUERIES
            && self.keys.are_rows()
            && self.values.are_rows()
    }

    /// Queries that meet the same keys.
    fn shared_queries(&self) -> usize {
        self.heads / self.key_heads * self.query_size
    }

    /// Computes the whole call.
    ///
    /// # Safety
    /// Operands' layouts fit their buffers; the output is all there and nobody else writes it.
    pub(super) unsafe fn few(&self) {
        let spans = self.key_size.div_ceil(SPAN);
        let count = self.batch * self.key_heads * spans;
        let found: Vec<parking_lot::Mutex<Option<Found>>> =
            (0..count).map(|_| parking_lot::Mutex::new(None)).collect();
        parallel::for_each(count, |task| {
            let (head, first) = (task / spans, task % spans * SPAN);
            let span = Span {
                batch: head / self.key_heads,
                key_head: head % self.key_heads,
                first,
                size: SPAN.min(self.key_size - first),
            };
            // SAFETY: by the caller's promise
            *found[task].lock() = Some(unsafe { self.span(&span) });
        });
        let found: Vec<Found> = found
            .into_iter()
            .filter_map(|found| found.into_inner())
            .collect();
        parallel::for_each(self.batch * self.key_heads, |head| {
            // SAFETY: by the caller's promise; each task writes the rows of heads of its own
            unsafe { self.join(head, &found[head * spans..][..spans]) };
        });
    }

    /// # Safety
    /// As for [`Attention::few`].
    unsafe fn span(&self, span: &Span) -> Found {
        let (group, count) = (self.heads / self.key_heads, self.shared_queries());
        let widest = self.features.max(self.value_features);
        let copied = if T::WIDE || count <= FEW { 0 } else { BLOCK };
        let mut work = Workspace {
            queries: Vec::with_capacity(count * self.features),
            scores: vec![0.0; count * BLOCK],
            rows: vec![0.0; copied * widest],
        };
        let mut running = Vec::with_capacity(count);
        for head in span.key_head * group..(span.key_head + 1) * group {
            // a sink is counted once
            let sink = self.sinks.get(head).copied().filter(|_| span.first == 0);
            running.extend((0..self.query_size).map(|_| Running::new(sink)));
            let queries = self.queries.matrix(span.batch, head);
            for query in 0..self.query_size {
                for feature in 0..self.features {
                    // SAFETY: by the caller's promise
                    let query = unsafe { queries.place(query, feature).read() };
                    work.queries.push(query.widen() * self.scale);
                }
            }
        }
        let mut found = Found {
            running,
            sums: vec![0.0; count * self.value_features],
        };
        let end = span.first + span.size;
        for key in (span.first..end).step_by(BLOCK) {
            let size = BLOCK.min(end - key);
            // SAFETY: by the caller's promise; `Isa::best` is available
            unsafe {
                score(self.isa, self, span, (key, size), &mut work);
                self.weigh_few(span, (key, size), &mut work, &mut found);
                sum(
                    self.isa,
                    self,
                    span,
                    (key, size),
                    &mut work,
                    &mut found.sums,
                );
            }
        }
        found
    }

    /// Scores become weights.
    ///
    /// # Safety
    /// As for [`Attention::few`].
    unsafe fn weigh_few(
        &self,
        span: &Span,
        (key, size): (usize, usize),
        work: &mut Workspace,
        found: &mut Found,
    ) {
        let rows = work.scores.chunks_mut(BLOCK);
        let sums = found.sums.chunks_mut(self.value_features);
        let group = self.heads / self.key_heads;
        for (row, ((scores, sums), running)) in rows.zip(sums).zip(&mut found.running).enumerate() {
            let head = span.key_head * group + row / self.query_size;
            let query = row % self.query_size;
            let scores = &mut scores[..size];
            if let Some(mask) = &self.mask {
                let position = [span.batch, head, query];
                // SAFETY: the position is inside the scores' shape; `Isa::best` is available
                unsafe { mask::apply(self.isa, mask, position, key, scores) };
            }
            if self.causal {
                let seen = (query + 1 + self.key_size).saturating_sub(self.query_size + key);
                scores[seen.min(size)..].fill(UNSEEN);
            }
            // SAFETY: `Isa::best` is available
            unsafe { softmax::update(self.isa, running, scores, sums) };
        }
    }

    /// Joins what was found of the queries that share keys, and writes their rows.
    ///
    /// # Safety
    /// As for [`Attention::few`].
    unsafe fn join(&self, key_head: usize, found: &[Found]) {
        let features = self.value_features;
        let first = key_head * self.shared_queries();
        for row in 0..self.shared_queries() {
            let parts = found.iter().map(|found| found.running[row]);
            let greatest = parts.clone().map(|part| part.greatest);
            let base = softmax::base(greatest.fold(f32::NEG_INFINITY, f32::max));
            let factors: Vec<f32> = parts
                .clone()
                .map(|part| softmax::power(part.greatest, base))
                .collect();
            let total: f32 = parts
                .zip(&factors)
                .map(|(part, factor)| part.sum * factor)
                .sum();
            let output = self.output.at(first + row, 0);
            for feature in 0..features {
                let sums = found
                    .iter()
                    .map(|found| found.sums[row * features + feature]);
                let sum: f32 = sums.zip(&factors).map(|(sum, factor)| sum * factor).sum();
                let to = output.place(0, feature).cast_mut();
                // SAFETY: by the caller's promise
                unsafe { to.write(T::narrow(sum / total)) };
            }
        }
    }
}

/// Rows of keys or values in single precision: copies.
///
/// # Safety
/// The rows have so many features side by side; this machine has the instruction set.
#[inline(always)]
unsafe fn widened<T: Element<Sum = f32>>(
    attention: &Attention<T>,
    rows: Matrix<T>,
    (count, features): (usize, usize),
    copies: &mut [f32],
) -> Matrix<f32> {
    for (row, copy) in copies.chunks_mut(features.max(1)).take(count).enumerate() {
        let to = copy.as_mut_ptr();
        // SAFETY: by the caller's promise; the copy has room for all features
        unsafe { T::widen_row(attention.isa, rows.place(row, 0), to, features) };
    }
    Matrix {
        start: copies.as_ptr(),
        row_stride: features as isize,
        column_stride: 1,
    }
}

compiled! {
    /// Scores of some keys.
    ///
    /// # Safety
    /// As for [`Attention::few`]; this machine has the instruction set.
    fn score<T: Float>(
        attention: &Attention<T>,
        span: &Span,
        keys: (usize, usize),
        work: &mut Workspace,
    ) by score_loop
}

compiled! {
    /// Adds the weighted values.
    ///
    /// # Safety
    /// As for [`Attention::few`]; this machine has the instruction set.
    fn sum<T: Float>(
        attention: &Attention<T>,
        span: &Span,
        keys: (usize, usize),
        work: &mut Workspace,
        sums: &mut [f32],
    ) by sum_loop
}

/// Asks for rows that are read soon.
#[inline(always)]
fn fetch<T>(rows: Matrix<T>, count: usize, features: usize) {
    for row in 0..count {
        stream::fetch(rows.place(row, 0), features * size_of::<T>());
    }
}

/// Elements with sums in single precision.
pub(super) trait Float: Element<Sum = f32> {}
impl<T: Element<Sum = f32>> Float for T {}

/// # Safety
/// As for [`score`].
#[inline(always)]
unsafe fn score_loop<T: Float>(
    attention: &Attention<T>,
    span: &Span,
    (key, size): (usize, usize),
    work: &mut Workspace,
) {
    let features = attention.features;
    let keys = attention.keys.matrix(span.batch, span.key_head).at(key, 0);
    let values = attention.values.matrix(span.batch, span.key_head);
    let count = attention.shared_queries();
    fetch(values.at(key, 0), size, attention.value_features);
    let sizes = (size, features);
    let wide = match T::WIDE || count <= FEW {
        true => None,
        // SAFETY: by the caller's promise
        false => Some(unsafe { widened(attention, keys, sizes, &mut work.rows) }),
    };
    for (row, scores) in work.scores.chunks_mut(BLOCK).enumerate() {
        let query = &work.queries[row * features..][..features];
        let scores = &mut scores[..size];
        // SAFETY: by the caller's promise
        unsafe {
            match wide {
                None => dots::dots_of_rows(query, keys, scores),
                Some(keys) => dots::dots_of_rows(query, keys, scores),
            }
        }
    }
}

/// # Safety
/// As for [`sum`].
#[inline(always)]
unsafe fn sum_loop<T: Float>(
    attention: &Attention<T>,
    span: &Span,
    (key, size): (usize, usize),
    work: &mut Workspace,
    sums: &mut [f32],
) {
    let features = attention.value_features;
    let values = attention
        .values
        .matrix(span.batch, span.key_head)
        .at(key, 0);
    let keys = attention.keys.matrix(span.batch, span.key_head);
    let following = (span.first + span.size - key - size).min(size);
    fetch(keys.at(key + size, 0), following, attention.features);
    let sizes = (size, features);
    let wide = match T::WIDE || attention.shared_queries() <= FEW {
        true => None,
        // SAFETY: by the caller's promise
        false => Some(unsafe { widened(attention, values, sizes, &mut work.rows) }),
    };
    let weights = work.scores.chunks(BLOCK);
    for (weights, sums) in weights.zip(sums.chunks_mut(features)) {
        let weights = &weights[..size];
        // SAFETY: by the caller's promise
        unsafe {
            match wide {
                None => dots::add_all_multiples(sums, weights, values),
                Some(values) => dots::add_all_multiples(sums, weights, values),
            }
        }
    }
}
