use super::super::lanes::Offsets;
use super::*;

/// Numbers without a pattern.
fn numbers(count: usize) -> Vec<f32> {
    let number = |place: usize| ((place * 7919 + 31) % 1009) as f32 / 500.0 - 1.0;
    (0..count).map(number).collect()
}

/// One lane transformed as the definition says, in double precision.
fn by_definition(kind: Kind, lane: &[f32], length: usize) -> Vec<f64> {
    type Wide = num_complex::Complex<f64>;
    let number = |place: usize| match kind {
        Kind::FromReal => Wide::new(lane[place].into(), 0.0),
        _ => Wide::new(lane[2 * place].into(), lane[2 * place + 1].into()),
    };
    let element = |place: usize| match kind {
        Kind::ToReal if place == 0 || 2 * place == length => number(place).re.into(),
        Kind::ToReal if 2 * place > length => number(length - place).conj(),
        _ => number(place),
    };
    let sign = match kind {
        Kind::Complex { inverse: false } | Kind::FromReal => -1.0,
        Kind::Complex { inverse: true } | Kind::ToReal => 1.0,
    };
    let frequency = |place: usize| {
        let term = |other: usize| {
            let angle = sign * std::f64::consts::TAU * (place * other % length) as f64;
            element(other) * Wide::cis(angle / length as f64)
        };
        (0..length).map(term).sum::<Wide>()
    };
    match kind {
        Kind::ToReal => (0..length).map(|place| frequency(place).re).collect(),
        Kind::FromReal => (0..length / 2 + 1)
            .map(frequency)
            .flat_map(|v| [v.re, v.im])
            .collect(),
        Kind::Complex { .. } => (0..length)
            .map(frequency)
            .flat_map(|v| [v.re, v.im])
            .collect(),
    }
}

/// Lanes one behind the other and side by side, some of them in a block of their own, by every
/// instruction set.
fn check(kind: Kind, length: usize) {
    let plan = Plan::new(kind, length).unwrap();
    let (from, to) = plan.rows();
    let tolerance = 1e-6 * length as f64;
    for (outer, inner) in [(9, 1), (3, 2), (3, 11)] {
        let count = outer * inner;
        let input = numbers(count * from.elements * from.parts);
        let offset = |lane: usize| lane / inner * inner * from.elements + lane % inner;
        let lanes = Lanes {
            offsets: Offsets::Listed((0..count).map(offset).collect()),
            source_stride: inner as isize,
            source_length: from.elements,
            target_length: to.elements,
            inner,
        };
        let run = |portable: bool| {
            let mut output = vec![f32::NAN; count * to.elements * to.parts];
            let mut room = vec![0.0; plan.room()];
            let work = Work {
                plan: &plan,
                source: Shared(input.as_ptr().cast_mut()),
                target: Shared(output.as_mut_ptr()),
                lanes: &lanes,
                range: 0..count,
                room: room.as_mut_ptr(),
                scale: 0.5,
            };
            match portable {
                true => Wide::<Portable, square::Portable>::new(work).run(),
                false => {
                    let (source, target) = (work.source, work.target);
                    // SAFETY: the lanes lie inside of both vectors
                    unsafe { plan.run(source, target, &lanes, 0..count, &mut room, 0.5) };
                }
            }
            output
        };
        let outputs = [run(true), run(false)];
        for lane in 0..count {
            let place = |rows: Rows, element: usize, part: usize| {
                let begin = lane / inner * inner * rows.elements + lane % inner;
                (begin + element * inner) * rows.parts + part
            };
            let all = |rows: Rows| {
                let elements = 0..rows.elements;
                elements.flat_map(move |element| (0..rows.parts).map(move |part| (element, part)))
            };
            let own: Vec<f32> = all(from).map(|(e, p)| input[place(from, e, p)]).collect();
            let expected = by_definition(kind, &own, length);
            for (expected, (element, part)) in expected.into_iter().zip(all(to)) {
                for output in &outputs {
                    let value: f64 = output[place(to, element, part)].into();
                    let error = (value - 0.5 * expected).abs();
                    assert!(
                        error < tolerance,
                        "{kind:?} {length} {inner} {element}: {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn lanes_are_transformed_as_the_definition_says() {
    let smooth = (1..=40).filter(|length| radices(*length).is_some());
    for length in smooth.chain([64, 100, 117, 121, 128, 130, 143, 256, 350]) {
        check(Kind::Complex { inverse: false }, length);
        check(Kind::Complex { inverse: true }, length);
        check(Kind::FromReal, length);
        check(Kind::ToReal, length);
    }
}

#[test]
fn lengths_with_large_factors_have_no_plan() {
    for length in [17, 34, 289, 1009, 4096] {
        assert!(Plan::new(Kind::Complex { inverse: false }, length).is_none());
    }
    assert!(Plan::new(Kind::FromReal, 4096).is_some());
}
