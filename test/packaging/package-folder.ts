import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the packed package, for all test files of a run. */
    readonly packageFolder: string
  }
}

/** Makes the folder before the tests of a run, and deletes it after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-package-'))
  project.provide('packageFolder', folder)
  return () => rm(folder, { recursive: true, force: true })
}
