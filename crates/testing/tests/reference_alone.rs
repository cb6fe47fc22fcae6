//! What the reference gives does not depend on how its inputs lie in memory, and the sweep
//! notices a backend that errs.

use mlx_oxide_ir::{ArrayType, Op, Result};
use mlx_oxide_reference::Reference;
use mlx_oxide_runtime::{
    Backend, Buffer, Call, Device, DeviceType, InfoValue, Results, Stored, Stream,
};
use mlx_oxide_testing::{Arrangement, compare, evaluate, samples, supports, sweep};
use std::collections::BTreeMap;

#[test]
fn layouts_change_no_result() {
    for sample in samples() {
        assert!(supports(&sample, &Reference), "{}", sample.name);
        let plain = evaluate(&sample, &Reference).unwrap_or_else(|error| {
            panic!("{}: {error}", sample.name);
        });
        for arrangement in [
            Arrangement::Donated,
            Arrangement::Transposed,
            Arrangement::Sliced,
            Arrangement::Reversed,
        ] {
            let arranged = sample.arranged(arrangement);
            let found = evaluate(&arranged, &Reference).unwrap();
            if let Err(mismatch) = compare(&arranged, &found, &plain) {
                panic!("{mismatch}");
            }
        }
    }
}

#[test]
fn stretched_inputs_run() {
    for sample in samples() {
        let arranged = sample.arranged(Arrangement::Broadcast);
        if let Err(error) = evaluate(&arranged, &Reference) {
            panic!("{}: {error}", arranged.name);
        }
    }
}

#[test]
fn indices_outside_fail() {
    for sample in mlx_oxide_testing::samples::out_of_bounds() {
        assert!(evaluate(&sample, &Reference).is_err(), "{}", sample.name);
    }
}

/// The reference with the last bit of the first output's last byte flipped.
struct Faulty;

impl Backend for Faulty {
    fn device_type(&self) -> DeviceType {
        DeviceType::Cpu
    }

    fn device_count(&self) -> usize {
        1
    }

    fn device_info(&self, device: Device) -> BTreeMap<String, InfoValue> {
        Reference.device_info(device)
    }

    fn supports(&self, op: &Op, inputs: &[&ArrayType]) -> bool {
        Reference.supports(op, inputs)
    }

    fn run(&self, call: Call<'_>) -> Result<Results> {
        let outputs = call.outputs;
        let mut results = Reference.run(call)?;
        let stored = &results[0];
        let width = outputs[0].dtype.size();
        let source = stored.buffer.host_bytes()?;
        let mut bytes: Vec<u8> = stored
            .layout
            .places()
            .flat_map(|place| source[place * width..(place + 1) * width].to_vec())
            .collect();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        let buffer = Buffer::from_bytes("faulty", &bytes)?;
        results[0] = Stored::contiguous(buffer, &outputs[0]);
        Ok(results)
    }

    fn synchronize(&self, _stream: Stream) -> Result<()> {
        Ok(())
    }
}

#[test]
fn the_sweep_notices_one_wrong_element_in_nearly_every_sample() {
    let some: Vec<_> = samples().into_iter().step_by(17).collect();
    let report = sweep(&Faulty, &some, |sample| Some(sample.clone()));
    let ran: usize = report.families.values().map(|count| count.ran).sum();
    // what escapes are empty outputs, NaN and numbers whose flipped bit is within the tolerance
    assert!(
        report.failures.len() * 10 > ran * 8,
        "{} of {ran}",
        report.failures.len()
    );
}
