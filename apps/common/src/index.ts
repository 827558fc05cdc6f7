export { Interrupted, UsageError } from './errors';
export { runMain } from './main';
export { createProgress, formatRate, formatSeconds } from './progress';
export type { Progress } from './progress';
export { addOptions, checkSettings, missingRows, readmeTable, schemaOf } from './option-table';
export type { OptionSpec, OptionTable, SettingsOf } from './option-table';
export { scheduleNames, schedules } from './schedules';
export { aboveZero, atLeastZero, fraction, kebab, number, oneOf, show, wholeNumber } from './settings';
export { createEventWriter } from './tensorboard';
export type { EventWriter } from './tensorboard';
export { addResults, curvesOf, readResults } from './results';
export type { How, Result } from './results';
export { attributeTable, resultTable } from './result-table';
export { evaluationSection, withEvaluation } from './evaluation-section';
export { escapeHtml } from './escape-html';
export {
  agree,
  arraysHash,
  datasetHash,
  fileHash,
  firstOf,
  isFirst,
  openExecution,
  stopOf,
  undivided,
  weightsHash,
} from './together';
