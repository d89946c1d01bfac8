import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './source-files.ts'

/** Houses whose folders have a README. */
const HOUSES = ['bridge', 'demo', 'sdk', 'test']
/** Folders whose README is a guide for users, and longer. */
const GUIDES = ['bridge/cli', 'bridge/relay']
/** Folders with more files have a README. */
const FEW = 3
const LONGEST = 30

const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root })
  .toString()
  .trim()
  .split('\n')
  .filter((path) => existsSync(join(root, path)))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

it('the check finds documents', () => {
  expect(documents).toContain('README.md')
  expect(documents.length).toBeGreaterThan(10)
})

it.each(documents)('%s links to files that exist', (path) => {
  const targets = [...read(path).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, target = '']) => target)
  expect(targets.filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([])
})

/** Anchors of a document, as GitHub makes them from headings. */
const anchorsOf = (path: string) =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )

it.each(documents)('%s links to headings that exist', (path) => {
  const targets = [...read(path).matchAll(/\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)/g)]
  const missing = targets.filter(([, file = '', anchor = '']) => {
    const target = file === '' ? path : join(dirname(path), file)
    return target.endsWith('.md') && !anchorsOf(target).includes(anchor)
  })
  expect(missing.map(([link]) => link)).toEqual([])
})

const folders = HOUSES.flatMap((house) =>
  readdirSync(join(root, house), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'dist')
    .map(({ name }) => `${house}/${name}`),
)
const large = folders.filter(
  (folder) =>
    !GUIDES.includes(folder) &&
    readdirSync(join(root, folder)).filter((name) => /\.(ts|tsx|mjs)$/.test(name)).length > FEW,
)

it.each(large)(`%s has a README of at most ${LONGEST} lines`, (folder) => {
  expect(documents).toContain(`${folder}/README.md`)
  expect(read(`${folder}/README.md`).split('\n').length - 1).toBeLessThanOrEqual(LONGEST)
})

/** Names of files in a text that exist neither in the folder nor at the root. */
const missingFiles = (text: string, folder: string) =>
  [...text.matchAll(/`([\w./-]+\.(?:ts|tsx|mjs|html|css|md))`/g)]
    .map(([, name = '']) => name)
    .filter((name) => ![folder, '.'].some((from) => existsSync(join(root, from, name))))

it.each(folders.filter((folder) => !GUIDES.includes(folder) && documents.includes(`${folder}/README.md`)))(
  'the README of %s names only existing files',
  (folder) => expect(missingFiles(read(`${folder}/README.md`), folder)).toEqual([]),
)

// The other sections are a guide for users, whose files these are.
it.each(['bridge', 'sdk', 'worker'])('the README of %s ends with the files of the house', (house) => {
  const [, section = ''] = read(`${house}/README.md`).split('\n## For contributors\n')
  expect(section).not.toMatch(/^## /m)
  expect(section.match(/`[\w-]+(\.ts|\/)`/g)?.length).toBeGreaterThan(2)
  expect(missingFiles(section, house)).toEqual([])
})
