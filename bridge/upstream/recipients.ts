/** Selects the recipients of a message: all subscriptions without a queue group, and one member of each group. */
export function recipients<T extends { readonly queue: string | undefined }>(
  matching: readonly T[],
  random: () => number,
): T[] {
  const chosen: T[] = []
  let groups: Map<string, T[]> | undefined
  for (const subscription of matching) {
    if (subscription.queue === undefined) {
      chosen.push(subscription)
      continue
    }
    groups ??= new Map()
    const members = groups.get(subscription.queue)
    if (members) members.push(subscription)
    else groups.set(subscription.queue, [subscription])
  }
  if (!groups) return chosen
  for (const members of groups.values()) chosen.push(members[Math.floor(random() * members.length)] as T)
  return chosen
}
