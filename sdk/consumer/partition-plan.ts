/** Partitions that each member of a group holds, by the id of the member. */
export type Holdings = ReadonlyMap<string, Iterable<number>>

/**
 * Divides partitions among the members of a group. The numbers of any two members differ by at most one, and as few
 * partitions as possible change their member. All members calculate the same result from the same holdings, and the result
 * does not change once it is in effect.
 */
export function dividePartitions(holdings: Holdings, count: number): Map<string, number[]> {
  const shares = new Map<string, number[]>()
  const taken = new Set<number>()
  for (const id of [...holdings.keys()].sort()) {
    // If two members hold a partition, the first one keeps it.
    const own = [...new Set(holdings.get(id))].filter((one) => isPartition(one, count) && !taken.has(one))
    for (const one of own) taken.add(one)
    shares.set(id, own.sort(byNumber))
  }
  // The members with the most partitions have the larger shares, so that they keep them. The sort is stable.
  const members = [...shares].sort(([, a], [, b]) => b.length - a.length)
  const least = Math.floor(count / members.length)
  const quotas = members.map((_, index) => least + (index < count % members.length ? 1 : 0))
  for (const [index, [, own]] of members.entries()) for (const one of own.splice(quotas[index] ?? 0)) taken.delete(one)
  const free = Array.from({ length: count }, (_, one) => one).filter((one) => !taken.has(one))
  for (const [index, [, own]] of members.entries())
    own.push(...free.splice(0, Math.max((quotas[index] ?? 0) - own.length, 0)))
  for (const own of shares.values()) own.sort(byNumber)
  return shares
}

/** Whether a value is the number of a partition. */
export function isPartition(value: unknown, count: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < count
}

function byNumber(a: number, b: number): number {
  return a - b
}
