import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** Flags and arguments that name a file. */
const FILES = /<(file|path|old|new)>|\[contract\]/

/**
 * Adds `spanwire completion <shell>`, which prints a script for bash, zsh, fish or PowerShell, and the hidden
 * `spanwire complete -- …`, which that script calls. Files are proposed for arguments that name a file.
 */
export function addCompletion(program: Command): void {
  const root = tab(program, { completionCommandName: 'completion' })
  for (const [path, command] of root.commands) {
    const own = path
      .split(' ')
      .reduce<Command | undefined>((at, name) => at?.commands.find((one) => one.name() === name), program)
    for (const option of own?.options ?? []) {
      const known = command.options.get(option.long?.slice(2) ?? '')
      if (known && FILES.test(option.flags)) known.handler = (propose) => proposeFiles(propose)
    }
    for (const argument of own?.registeredArguments ?? []) {
      const known = command.arguments.get(argument.name())
      if (known && FILES.test(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`))
        known.handler = (propose) => proposeFiles(propose)
    }
  }
}

/** Proposes the files of the folder that the word under the cursor names. The shell filters them by the word. */
function proposeFiles(propose: (value: string, description: string) => void): void {
  const word = process.argv.at(-1) ?? ''
  const folder = word.endsWith('/') ? word : dirname(word)
  const prefix = word.includes('/') ? `${folder.replace(/\/$/, '')}/` : ''
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (!entry.name.startsWith('.') && entry.name !== 'node_modules')
        propose(`${prefix}${entry.name}${entry.isDirectory() ? '/' : ''}`, '')
  } catch {
    // Without the folder the list of proposals is empty.
  }
}
