import { BuildDialog } from '../features/builds/build-dialog.tsx';
import { AbortDialog } from '../features/deployments/abort-dialog.tsx';
import { DecideDialog } from '../features/deployments/decide-dialog.tsx';
import { DeployDialog } from '../features/deployments/deploy-dialog.tsx';
import { RollbackDialog } from '../features/deployments/rollback-dialog.tsx';
import { SteerDialog } from '../features/deployments/steer-dialog.tsx';
import { UndoRollbackDialog } from '../features/deployments/undo-rollback-dialog.tsx';
import { CancelDialog } from '../features/jobs/cancel-dialog.tsx';
import { PrioritiseDialog } from '../features/jobs/prioritise-dialog.tsx';
import { LiftQuarantineDialog } from '../features/line/lift-quarantine-dialog.tsx';
import { LineDialog } from '../features/line/line-dialog.tsx';
import { AddProjectDialog } from '../features/projects/add-project-dialog.tsx';
import { useUi } from '../lib/ui-state.ts';

/** The dialog that is open, whichever page, key or palette opened it. */
export function Dialogs() {
  const dialog = useUi((ui) => ui.dialog);
  const close = useUi((ui) => ui.close);
  switch (dialog?.kind) {
    case undefined:
      return null;
    case 'add-project':
      return <AddProjectDialog onClose={close} />;
    case 'build':
      return (
        <BuildDialog
          project={dialog.project}
          initialRef={dialog.ref ?? ''}
          initialForce={dialog.force ?? false}
          onClose={close}
        />
      );
    case 'deploy':
      return <DeployDialog project={dialog.project} buildId={dialog.buildId} onClose={close} />;
    case 'rollback':
      return <RollbackDialog project={dialog.project} initialBuild={dialog.buildId} onClose={close} />;
    case 'cancel':
      return <CancelDialog jobId={dialog.jobId} onClose={close} />;
    case 'prioritise':
      return <PrioritiseDialog jobId={dialog.jobId} onClose={close} />;
    case 'decide': {
      const { deploymentId, project, decision } = dialog;
      return <DecideDialog deploymentId={deploymentId} project={project} decision={decision} onClose={close} />;
    }
    case 'steer': {
      const { deploymentId, project, verb } = dialog;
      return <SteerDialog deploymentId={deploymentId} project={project} verb={verb} onClose={close} />;
    }
    case 'line':
      return <LineDialog project={dialog.project} verb={dialog.verb} onClose={close} />;
    case 'lift-quarantine':
      return <LiftQuarantineDialog buildId={dialog.buildId} onClose={close} />;
    case 'undo-rollback':
      return <UndoRollbackDialog project={dialog.project} onClose={close} />;
    case 'abort':
      return <AbortDialog deploymentId={dialog.deploymentId} project={dialog.project} onClose={close} />;
  }
}
