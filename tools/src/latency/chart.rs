//! Owns the plot as text: the same curves as on paper, with a letter for each.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares of a width become columns"
)]

use super::curve::{Axes, Curve, duration, percent};

/// As much as a terminal of 80 columns has room for, the last label included.
const WIDTH: usize = 67;
/// Rows between two powers of ten.
const ROWS_PER_POWER: usize = 4;
/// For labels of the vertical axis, the line included.
const LEFT: usize = 9;
const NOISE: char = '.';

/// Draws `curves`.
pub(super) fn chart(curves: &[Curve]) -> String {
    let axes = Axes::around(curves);
    let powers = (axes.us_max / axes.us_min).log10().round() as usize;
    let height = powers * ROWS_PER_POWER;
    let mut rows = vec![vec![' '; WIDTH]; height + 1];
    // The noise first: where lines meet, what was measured is what is looked for.
    let mut order: Vec<(usize, &Curve)> = curves.iter().enumerate().collect();
    order.sort_by_key(|(_, curve)| !curve.is_noise);
    for (index, curve) in order {
        let mut below = None;
        for (column, row) in cells(curve, axes, height) {
            // A steep piece is drawn through.
            let from = below.map_or(row, |below: usize| row.min(below + 1));
            for row in from..=row {
                rows[height - row][column] = letter(index, curve);
            }
            below = Some(row);
        }
    }
    let mut text = String::new();
    for (row, cells) in rows.iter().enumerate() {
        let up = height - row;
        let label = match up.is_multiple_of(ROWS_PER_POWER) {
            true => duration(axes.us_min * 10_f64.powi((up / ROWS_PER_POWER) as i32)),
            false => String::new(),
        };
        let tick = if label.is_empty() { '│' } else { '┤' };
        let line: String = cells.iter().collect();
        text.push_str(format!("{label:>width$} {tick}{line}", width = LEFT - 1).trim_end());
        text.push('\n');
    }
    text.push_str(&nines_axis(axes));
    for (index, curve) in curves.iter().enumerate() {
        text.push_str(&format!("  {} {}\n", letter(index, curve), curve.name));
    }
    text
}

fn letter(index: usize, curve: &Curve) -> char {
    let letters = 'a'..='z';
    match curve.is_noise {
        true => NOISE,
        false => letters.clone().nth(index % letters.count()).unwrap_or('a'),
    }
}

/// The cells of a curve: one for each column that it reaches.
fn cells(curve: &Curve, axes: Axes, height: usize) -> Vec<(usize, usize)> {
    let scale = |share: f64, cells: usize| (share * cells as f64).round() as usize;
    let mut cells: Vec<(usize, usize)> = Vec::new();
    for &point in &curve.points {
        let (x, y) = axes.place(point);
        let cell = (scale(x, WIDTH - 1), scale(y, height));
        // Points of one column: the last of them is the highest.
        match cells.last_mut() {
            Some(last) if last.0 == cell.0 => *last = cell,
            _ => cells.push(cell),
        }
    }
    cells
}

fn nines_axis(axes: Axes) -> String {
    let mut line: Vec<char> = vec!['─'; WIDTH];
    let mut labels = vec![' '; LEFT + WIDTH + 8];
    for nines in axes.labelled_nines() {
        let (x, _) = axes.place((nines, axes.us_min));
        let column = (x * (WIDTH - 1) as f64).round() as usize;
        let label = percent(nines);
        // Centred below its tick.
        let start = (LEFT + 1 + column).saturating_sub(label.len() / 2);
        let free = start.saturating_sub(1)..(start + label.len() + 1).min(labels.len());
        if labels[free].iter().all(|&cell| cell == ' ') {
            line[column] = '┴';
            for (cell, character) in labels[start..].iter_mut().zip(label.chars()) {
                *cell = character;
            }
        }
    }
    let (line, labels): (String, String) = (line.iter().collect(), labels.iter().collect());
    let corner = format!("{:>width$} └{line}", "", width = LEFT - 1);
    format!("{corner}\n{}\n", labels.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_have_letters_and_the_noise_has_dots_below_them() {
        let curve = |name: &str, is_noise, points: &[(f64, f64)]| Curve {
            name: name.to_owned(),
            is_noise,
            points: points.to_vec(),
        };
        let curves = [
            curve("ring-20k", false, &[(0.0, 1.0), (2.0, 10.0), (4.0, 100.0)]),
            curve("full-20k", false, &[(0.0, 10.0), (2.0, 1_000.0)]),
            curve("noise", true, &[(0.0, 1.0), (1.0, 0.1)]),
        ];
        let chart = chart(&curves);
        let lines: Vec<&str> = chart.lines().collect();
        // Four powers of ten, the axis, its labels and the legend.
        assert_eq!(lines.len(), 4 * ROWS_PER_POWER + 1 + 2 + 3, "{chart}");
        let at = |line: &str, c: char| line.chars().position(|cell| cell == c);
        let first = LEFT + 1;
        assert_eq!(lines[0], format!("{:>8} ┤{:33}b", "1 ms", ""));
        assert_eq!(lines[4], format!("{:>8} ┤{:33}b{:32}a", "100 µs", "", ""));
        assert_eq!(at(lines[8], 'b'), Some(first));
        assert_eq!(at(lines[8], 'a'), Some(first + 33));
        // The noise is there, too, and gives way.
        assert_eq!(at(lines[12], 'a'), Some(first));
        assert!(lines[16].starts_with("  100 ns ┤") && lines[16].ends_with('.'));
        assert_eq!(at(lines[17], '└'), Some(LEFT));
        for label in ["0%", "50%", "90%", "99%", "99.9%", "99.99%"] {
            assert!(lines[18].contains(label), "{}", lines[18]);
        }
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{chart}"
        );
        assert_eq!(&lines[19..], ["  a ring-20k", "  b full-20k", "  . noise"]);
    }
}
