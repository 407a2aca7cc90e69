//! Labels that stand beside their lines without overlapping.

/// Moves labels apart, as little as need be: returns positions in the order given, at least `gap` from each other
/// and between `low` and `high` as long as they fit.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed = wanted.to_vec();
    let mut floor = low;
    for index in &order {
        placed[*index] = placed[*index].max(floor);
        floor = placed[*index] + gap;
    }
    let mut ceiling = high;
    for index in order.iter().rev() {
        placed[*index] = placed[*index].min(ceiling);
        ceiling = placed[*index] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_have_room_stay_where_they_are() {
        assert_eq!(spread(&[100.0, 10.0, 50.0], 14.0, 0.0, 200.0), [100.0, 10.0, 50.0]);
    }

    #[test]
    fn crowded_labels_keep_their_order_and_their_distance() {
        let placed = spread(&[198.0, 199.0, 200.0, 5.0], 14.0, 6.0, 200.0);
        assert_eq!(placed, [172.0, 186.0, 200.0, 6.0]);
    }
}
