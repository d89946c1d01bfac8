/** A subject filter as a subject template: `orders.*.>` is `orders.{1}.{2...}`. */
export function templateOf(filter: string): string {
  return filter
    .split('.')
    .map((token, index) => (token === '*' ? `{${index}}` : token === '>' ? `{${index}...}` : token))
    .join('.')
}
