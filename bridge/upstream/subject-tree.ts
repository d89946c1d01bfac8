interface Node<T> {
  readonly children: Map<string, Node<T>>
  /** Values whose filter ends here. */
  readonly values: Set<T>
}

/** Values by subject filter, found by subject. A search takes one step per token, for any number of filters. */
export class SubjectTree<T> {
  readonly #root: Node<T> = newNode()
  #size = 0

  /** Number of values. */
  get size(): number {
    return this.#size
  }

  /** Adds `value` under a valid filter. A value may be under several filters, once under each. */
  add(filter: string, value: T): void {
    let node = this.#root
    for (const token of filter.split('.')) {
      let child = node.children.get(token)
      if (!child) {
        child = newNode()
        node.children.set(token, child)
      }
      node = child
    }
    if (node.values.has(value)) return
    node.values.add(value)
    this.#size++
  }

  /** Removes a value, and branches without values. Returns whether it was found. */
  delete(filter: string, value: T): boolean {
    const tokens = filter.split('.')
    const path = [this.#root]
    for (const token of tokens) {
      const child = path.at(-1)?.children.get(token)
      if (!child) return false
      path.push(child)
    }
    if (!path.at(-1)?.values.delete(value)) return false
    this.#size--
    for (let i = tokens.length; i > 0; i--) {
      const node = path[i]
      if (!node || node.values.size > 0 || node.children.size > 0) break
      path[i - 1]?.children.delete(tokens[i - 1] as string)
    }
    return true
  }

  clear(): void {
    this.#root.children.clear()
    this.#size = 0
  }

  /** The values of all filters that match `subject`. */
  match(subject: string): T[] {
    const found: T[] = []
    collect(this.#root, subject.split('.'), 0, found)
    return found
  }

  /** All values. */
  values(): T[] {
    const found: T[] = []
    gather(this.#root, found)
    return found
  }
}

function newNode<T>(): Node<T> {
  return { children: new Map(), values: new Set() }
}

function collect<T>(node: Node<T>, tokens: readonly string[], at: number, found: T[]): void {
  const token = tokens[at]
  if (token === undefined) {
    addAll(found, node.values)
    return
  }
  const rest = node.children.get('>')
  if (rest) addAll(found, rest.values)
  const any = node.children.get('*')
  if (any) collect(any, tokens, at + 1, found)
  const exact = node.children.get(token)
  // A subject with a token `*` or `>` must not be found twice.
  if (exact && exact !== any && exact !== rest) collect(exact, tokens, at + 1, found)
}

function gather<T>(node: Node<T>, found: T[]): void {
  addAll(found, node.values)
  for (const child of node.children.values()) gather(child, found)
}

/** Not `push(...values)`: it throws for more than about 125,000 of them. */
function addAll<T>(found: T[], values: Iterable<T>): void {
  for (const value of values) found.push(value)
}
