//! The assignment problem: one column for each row at the least total cost.

/// Assigns a different column to each row of `costs`, shape \[rows, columns\] with rows ≤ columns,
/// such that the sum of the costs is least; answers the column of each row.
///
/// # Panics
/// If there are fewer columns than rows, or the shape is not that of the costs.
///
/// # Source
/// Kuhn (1955) and Munkres (1957), by shortest augmenting paths (Jonker and Volgenant 1987).
/// O(rows² · columns).
pub fn assign(costs: &[f64], rows: usize, columns: usize) -> Vec<usize> {
    assert!(rows <= columns && costs.len() == rows * columns, "{} costs, {rows} x {columns}", costs.len());
    // Row and column 0 are virtual; potentials u, v keep every reduced cost c − u − v non-negative.
    let (mut u, mut v) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let mut row_of = vec![0; columns + 1];
    for row in 1..=rows {
        let mut slack = vec![f64::INFINITY; columns + 1];
        let mut came_from = vec![0; columns + 1];
        let mut visited = vec![false; columns + 1];
        let mut column = 0;
        row_of[0] = row;
        while row_of[column] != 0 {
            visited[column] = true;
            let from = row_of[column];
            let (mut least, mut next) = (f64::INFINITY, 0);
            for j in (1..=columns).filter(|j| !visited[*j]) {
                let reduced = costs[(from - 1) * columns + j - 1] - u[from] - v[j];
                if reduced < slack[j] {
                    (slack[j], came_from[j]) = (reduced, column);
                }
                if next == 0 || slack[j] < least {
                    (least, next) = (slack[j], j);
                }
            }
            for j in 0..=columns {
                if visited[j] {
                    u[row_of[j]] += least;
                    v[j] -= least;
                } else {
                    slack[j] -= least;
                }
            }
            column = next;
        }
        while column != 0 {
            let previous = came_from[column];
            row_of[column] = row_of[previous];
            column = previous;
        }
    }
    let mut column_of = vec![0; rows];
    for (j, row) in row_of.iter().enumerate().skip(1).filter(|(_, row)| **row > 0) {
        column_of[row - 1] = j - 1;
    }
    column_of
}
