import { SpanwireError } from '../wire/errors.ts'

/**
 * Returns a handler for `import(…).catch()` of optional peer dependencies.
 * @param packages required packages, as arguments of `npm install`
 * @throws SpanwireError `unsupported`, with the `npm install` command
 */
export function notInstalled(feature: string, ...packages: readonly string[]): (cause: unknown) => never {
  return (cause) => {
    const names = packages.length === 1 ? `package ${packages[0]}` : `packages ${packages.join(' and ')}`
    throw new SpanwireError(
      'unsupported',
      `${feature} needs the ${names}, which cannot be loaded: run "npm install ${packages.join(' ')}".`,
      { cause },
    )
  }
}
