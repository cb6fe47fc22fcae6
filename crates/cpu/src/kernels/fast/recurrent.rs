//! Recurrent layers in single precision: a task takes some rows of the batch from the first step to
//! the last, so that threads never wait for each other.

#[cfg(test)]
mod tests;

use crate::gemm::{self, Finish, Matrix};
use crate::kernels::declined;
use crate::kernels::fused;
use crate::kernels::shared::Shared;
use crate::simd::math::single::{sigmoid, tanh};
use crate::simd::{Isa, Kernel, vectorised};
use mlx_oxide_ir::{ArrayType, Cell, Dtype, Error, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use parking_lot::Mutex;

/// Rows of a task at least: each multiplies the weights as it reads them.
const LEAST_ROWS: usize = 4;
/// Rows of a task at most where the second cache holds the weights.
const FEW_ROWS: usize = 16;
/// Rows of a task that reads the weights from further away in every step.
const MANY_ROWS: usize = 64;
/// Tasks that are worth making smaller than that.
const TASKS: usize = 4;
/// Bytes of weights that the second cache holds beside a task's own memory.
const CACHED: usize = 512 << 10;
/// Multiplications of a step that are worth all threads, if there are rows for one task alone.
const ALONE: usize = 1 << 22;

/// How many rows one task takes.
fn rows_of_task(rows: usize, weights: usize) -> usize {
    match weights * size_of::<f32>() <= CACHED {
        true => rows.div_ceil(TASKS).clamp(LEAST_ROWS, FEW_ROWS),
        false => MANY_ROWS,
    }
}

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    let weights = inputs[1].shape.size();
    let rows = inputs[0].shape[0];
    let shared = rows > rows_of_task(rows, weights) || rows * weights <= ALONE;
    inputs[0].dtype == Dtype::Float32 && shared
}

pub(super) fn run(call: &Call<'_>, cell: Cell) -> Result<Results> {
    of(call, cell, Isa::best())
}

/// Runs the call, the steps' functions on an instruction set.
pub(super) fn of(call: &Call<'_>, cell: Cell, isa: Isa) -> Result<Results> {
    let inputs = call.inputs.iter();
    let inputs = inputs.map(|operand| in_order(call, operand));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let buffers = call
        .outputs
        .iter()
        .map(|output| Buffer::allocate(call.op.name(), output.bytes()))
        .collect::<Result<Vec<_>>>()?;
    let &[rows, times, features] = &call.outputs[0].shape[..] else {
        return Err(declined(call));
    };
    let (parameters, given) = inputs.split_at(cell.parameters());
    let (gates, weight) = (elements(&parameters[0])?, elements(&parameters[1])?);
    let bias = parameters.get(2).map_or(Ok(&[][..]), elements)?;
    let given = given.iter().map(elements).collect::<Result<Vec<_>>>()?;
    let outputs = buffers.iter().map(|buffer| {
        let start = buffer.host_ptr()?.as_ptr();
        Ok(Shared(start.cast::<f32>()))
    });
    let layer = Layer {
        op: call.op.name(),
        isa,
        cell,
        times,
        features,
        gates,
        weight,
        bias,
        given: &given,
        outputs: &outputs.collect::<Result<Vec<_>>>()?,
        zeros: &vec![0.0; cell.gates() * features],
    };
    if call.outputs[0].size() > 0 {
        layer.run(rows)?;
    }
    let pairs = buffers.into_iter().zip(call.outputs);
    Ok(pairs
        .map(|(buffer, output)| Stored::contiguous(buffer, output))
        .collect())
}

/// An operand in row-major order, whose elements are aligned.
fn in_order(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    match operand.buffer.host_ptr()?.cast::<f32>().is_aligned() {
        true => fused::contiguous(call, operand),
        false => fused::copied(call, operand),
    }
}

/// The elements of such an operand.
fn elements(operand: &Operand) -> Result<&[f32]> {
    let bytes = operand.buffer.host_bytes()?;
    let (first, count) = (operand.layout.offset, operand.layout.size());
    if count == 0 {
        return Ok(&[]); // wherever its layout begins
    }
    let width = size_of::<f32>();
    Ok(bytemuck::cast_slice(
        &bytes[first * width..(first + count) * width],
    ))
}

/// A layer, its operands in row-major order.
struct Layer<'a> {
    op: &'static str,
    isa: Isa,
    cell: Cell,
    times: usize,
    features: usize,
    /// The sequence's share of the gates `(rows, times, gates)`.
    gates: &'a [f32],
    /// What the hidden state meets `(features, gates)`.
    weight: &'a [f32],
    /// Of the candidate of a GRU.
    bias: &'a [f32],
    /// The states to begin with, if any are given `(rows, features)`.
    given: &'a [&'a [f32]],
    /// States after each step `(rows, times, features)`.
    outputs: &'a [Shared<f32>],
    /// A row of gates that nothing has met.
    zeros: &'a [f32],
}

impl Layer<'_> {
    fn run(&self, rows: usize) -> Result<()> {
        let together = rows_of_task(rows, self.weight.len());
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        parallel::for_each(rows.div_ceil(together), |task| {
            let first = task * together;
            let count = together.min(rows - first);
            if let Err(error) = self.steps(first, count) {
                *failure.lock() = Some(error);
            }
        });
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// Every step of some rows.
    fn steps(&self, first: usize, count: usize) -> Result<()> {
        let width = self.zeros.len();
        let mut met = vec![0.0; count * width];
        for time in 0..self.times {
            let begins = time == 0 && self.given.is_empty();
            if !begins {
                self.meet(first, time, &mut met)?;
            }
            for (row, met) in met.chunks_exact(width).enumerate() {
                let own = ((first + row) * self.times + time) * width;
                let own = &self.gates[own..][..width];
                let met = match (begins, self.cell) {
                    (true, Cell::Lstm) => own,
                    (true, Cell::Gru) => self.zeros,
                    (false, _) => met,
                };
                self.step(first + row, time, own, met);
            }
        }
        Ok(())
    }

    /// Writes what the hidden states of some rows make of the gates: for an LSTM with the sequence's
    /// share added, for a GRU alone.
    fn meet(&self, first: usize, time: usize, met: &mut [f32]) -> Result<()> {
        let width = self.zeros.len();
        let count = met.len() / width;
        let matrix = |start, row_stride: usize| Matrix {
            start,
            row_stride: row_stride as isize,
            column_stride: 1,
        };
        let hidden = match time.checked_sub(1) {
            None => matrix(
                self.given[0][first * self.features..].as_ptr(),
                self.features,
            ),
            Some(before) => matrix(
                self.outputs[0]
                    .pointer()
                    .wrapping_add(self.place(first, before)),
                self.times * self.features,
            ),
        };
        let own = &self.gates[(first * self.times + time) * width..];
        let finish = match self.cell {
            Cell::Lstm => Some(Finish {
                alpha: 1.0,
                beta: 1.0,
                addend: Some(matrix(own.as_ptr(), self.times * width)),
            }),
            Cell::Gru => None,
        };
        // SAFETY: the rows lie in operands and outputs, which live as long as the call; the step
        // before has written its states, and nobody else writes this task's rows
        unsafe {
            gemm::multiply_alone(
                self.op,
                (count, self.features, width),
                hidden,
                matrix(self.weight.as_ptr(), width),
                matrix(met.as_mut_ptr(), width),
                finish,
            )
        }
    }

    /// Where a row's states after a step begin.
    fn place(&self, row: usize, time: usize) -> usize {
        (row * self.times + time) * self.features
    }

    /// A row's states before a step.
    fn before(&self, state: usize, row: usize, time: usize) -> &[f32] {
        match (time.checked_sub(1), self.given.get(state)) {
            (Some(before), _) => {
                let start = self.outputs[state].pointer();
                let start = start.wrapping_add(self.place(row, before));
                // SAFETY: the step before has written them, and nobody writes them again
                unsafe { std::slice::from_raw_parts(start, self.features) }
            }
            (None, Some(given)) => &given[row * self.features..][..self.features],
            (None, None) => &self.zeros[..self.features],
        }
    }

    /// Writes a row's states after a step.
    fn step(&self, row: usize, time: usize, own: &[f32], met: &[f32]) {
        let place = self.place(row, time);
        let after = |state: usize| {
            let start = self.outputs[state].pointer().wrapping_add(place);
            // SAFETY: the row is this task's, and these are the places of this step alone
            unsafe { std::slice::from_raw_parts_mut(start, self.features) }
        };
        match self.cell {
            Cell::Lstm => vectorised(
                self.isa,
                LongShortTerm {
                    gates: met,
                    before: self.before(1, row, time),
                    cell: after(1),
                    hidden: after(0),
                },
            ),
            Cell::Gru => vectorised(
                self.isa,
                Gated {
                    own,
                    met,
                    bias: self.bias,
                    before: self.before(0, row, time),
                    hidden: after(0),
                },
            ),
        }
    }
}

/// A step of [`Cell::Lstm`] in one row.
struct LongShortTerm<'a> {
    gates: &'a [f32],
    before: &'a [f32],
    cell: &'a mut [f32],
    hidden: &'a mut [f32],
}

impl Kernel for LongShortTerm<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let features = self.hidden.len();
        let (take, rest) = self.gates.split_at(features);
        let (forget, rest) = rest.split_at(features);
        let (candidate, give) = rest.split_at(features);
        let (before, cell) = (&self.before[..features], &mut self.cell[..features]);
        let give = &give[..features];
        for place in 0..features {
            let taken = sigmoid(take[place]) * tanh(candidate[place]);
            let state = sigmoid(forget[place]) * before[place] + taken;
            cell[place] = state;
            self.hidden[place] = sigmoid(give[place]) * tanh(state);
        }
    }
}

/// A step of [`Cell::Gru`] in one row.
struct Gated<'a> {
    own: &'a [f32],
    met: &'a [f32],
    bias: &'a [f32],
    before: &'a [f32],
    hidden: &'a mut [f32],
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let features = self.hidden.len();
        let (own_reset, rest) = self.own.split_at(features);
        let (own_keep, own_candidate) = rest.split_at(features);
        let (met_reset, rest) = self.met.split_at(features);
        let (met_keep, met_candidate) = rest.split_at(features);
        let (own_candidate, met_candidate) =
            (&own_candidate[..features], &met_candidate[..features]);
        let (before, bias) = (&self.before[..features], &self.bias[..features]);
        for place in 0..features {
            let reset = sigmoid(own_reset[place] + met_reset[place]);
            let keep = sigmoid(own_keep[place] + met_keep[place]);
            let recurrent = met_candidate[place] + bias[place];
            let candidate = tanh(own_candidate[place] + reset * recurrent);
            self.hidden[place] = (1.0 - keep) * candidate + keep * before[place];
        }
    }
}
