/** Gives an index 0..count-1 at each call. */
export type Draw = () => number;

export type Distribution = "uniform" | "zipf";

export function drawFrom(distribution: Distribution, count: number): Draw {
  return distribution === "uniform" ? () => Math.floor(Math.random() * count) : drawZipf(count);
}

/**
 * Zipf with s = 1, exactly: the k-th most frequent index comes with probability (1/k) / H(count), found by
 * binary search in the cumulative sum. Which index is how frequent is shuffled: in order of the names, the
 * hot rows would be neighbours on a few pages, which real names are not.
 */
function drawZipf(count: number): Draw {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += 1 / (rank + 1);
    cumulative[rank] = sum;
  }
  const indexOfRank = shuffled(count);
  return () => {
    const point = Math.random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! <= point) low = middle + 1;
      else high = middle;
    }
    return indexOfRank[low]!;
  };
}

function shuffled(count: number): Uint32Array {
  const indices = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [indices[last], indices[other]] = [indices[other]!, indices[last]!];
  }
  return indices;
}
